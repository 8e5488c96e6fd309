"""Settings are read once, and a wrong one is named with its value and the cure."""

from typing import Any

import pytest
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.test.utils import override_settings

from outbox import conf
from outbox.conf import DeclaredTopic
from outbox.errors import InvalidSetting
from tests.system_checks import messages


def test_every_setting_has_a_default() -> None:
    current = conf.current()
    assert current.topic_partitions == 12
    assert current.max_event_bytes == 900_000
    assert current.autocommit == "wrap"
    assert current.capture_raw is True
    assert current.topics == {}


def test_settings_are_read_once() -> None:
    assert conf.current() is conf.current()


@override_settings(
    OUTBOX_SOURCE="/shop",
    OUTBOX_TOPIC_PARTITIONS=3,
    OUTBOX_MAX_EVENT_BYTES=10,
    OUTBOX_AUTOCOMMIT="require",
    OUTBOX_CAPTURE_RAW=False,
    OUTBOX_TOPICS={"a": {"kind": "state", "partitions": 1}, "b": {}},
)
def test_every_setting_is_taken() -> None:
    assert conf.current() == conf.Settings(
        source="/shop",
        topics={"a": DeclaredTopic("state", 1), "b": DeclaredTopic()},
        topic_partitions=3,
        max_event_bytes=10,
        autocommit="require",
        capture_raw=False,
    )


@pytest.mark.parametrize(
    ("name", "value", "shown"),
    [
        ("OUTBOX_SOURCE", "", "OUTBOX_SOURCE=''"),
        ("OUTBOX_SOURCE", "a b", "OUTBOX_SOURCE='a b'"),
        ("OUTBOX_SOURCE", None, "OUTBOX_SOURCE=None"),
        ("OUTBOX_TOPIC_PARTITIONS", 0, "OUTBOX_TOPIC_PARTITIONS=0"),
        ("OUTBOX_TOPIC_PARTITIONS", True, "OUTBOX_TOPIC_PARTITIONS=True"),
        ("OUTBOX_TOPIC_PARTITIONS", "12", "OUTBOX_TOPIC_PARTITIONS='12'"),
        ("OUTBOX_MAX_EVENT_BYTES", -1, "OUTBOX_MAX_EVENT_BYTES=-1"),
        ("OUTBOX_AUTOCOMMIT", "wrapped", "OUTBOX_AUTOCOMMIT='wrapped'"),
        ("OUTBOX_CAPTURE_RAW", 1, "OUTBOX_CAPTURE_RAW=1"),
        ("OUTBOX_HASH_KEY", "", r"OUTBOX_HASH_KEY=\.\.\."),
        ("OUTBOX_HASH_KEY", b"secret", r"OUTBOX_HASH_KEY=\.\.\."),
        ("OUTBOX_TOPICS", ["a"], r"OUTBOX_TOPICS=\['a'\]"),
        ("OUTBOX_TOPICS", {"a b": {}}, "OUTBOX_TOPICS='a b'"),
        ("OUTBOX_TOPICS", {"a": 3}, r"OUTBOX_TOPICS\['a'\]=3"),
        ("OUTBOX_TOPICS", {"a": {"partition": 3}}, r"OUTBOX_TOPICS\['a'\]=.*partition': 3}"),
        ("OUTBOX_TOPICS", {"a": {"kind": "both"}}, r"OUTBOX_TOPICS\['a'\]\['kind'\]='both'"),
        ("OUTBOX_TOPICS", {"a": {"partitions": 0}}, r"OUTBOX_TOPICS\['a'\]\['partitions'\]=0"),
    ],
)
def test_a_wrong_value_is_named_with_the_cure(name: str, value: Any, shown: str) -> None:
    expected = pytest.raises(InvalidSetting, match=f"{shown} cannot be used; (use|name) ")
    with override_settings(**{name: value}), expected as caught:
        conf.current()
    assert isinstance(caught.value, ImproperlyConfigured)


def test_a_setting_that_does_not_exist_is_named_by_a_check() -> None:
    with override_settings(OUTBOX_TOPIC_PARTITION=3):
        (found,) = messages("outbox.W002")
    assert "OUTBOX_TOPIC_PARTITION " in found.msg
    assert "OUTBOX_TOPIC_PARTITIONS" in (found.hint or "")


@override_settings()
def test_a_source_that_is_not_set_is_named_by_a_check() -> None:
    assert not messages("outbox.W001")
    del settings.OUTBOX_SOURCE
    conf.current.cache_clear()
    (found,) = messages("outbox.W001")
    conf.current.cache_clear()
    assert "urn:django:outbox" in found.msg

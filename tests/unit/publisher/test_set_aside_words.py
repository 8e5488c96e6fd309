"""What operators read about what is set aside."""

from datetime import UTC, datetime

import pytest

from publisher.set_aside import FirstEvent, SetAside

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
EVENT = FirstEvent("0198", "shop.order.placed", 2, "order/7", 2_000_000, NOON)


def aside(key: bytes | None = b"7", first: FirstEvent | None = EVENT) -> SetAside:
    return SetAside(3, "shop.orders", key, 42, "it is too large", NOON, 1, first)


def test_one_line_names_it_and_the_reason() -> None:
    assert str(aside()) == (
        "3: topic 'shop.orders', key '7', from outbox row 42, since 2026-01-01T12:00:00+00:00: "
        "it is too large"
    )


@pytest.mark.parametrize(
    ("key", "shown"),
    [(b"7", "key '7'"), (b"\xff\x00", "key 0xff00"), (b"a\n", "key 0x610a"), (None, "the whole")],
)
def test_a_key_is_shown_as_text_where_it_is_one(key: bytes | None, shown: str) -> None:
    assert shown in str(aside(key))


def test_the_details_tell_of_the_event_and_not_of_its_payload() -> None:
    details = aside().details()
    for line in (
        "first row:  42",
        "event:      0198",
        "type:       shop.order.placed, version 2",
        "subject:    order/7",
        "value:      2000000 bytes",
        "retries:    1",
    ):
        assert line in details.splitlines()


def test_an_event_that_is_gone_is_told() -> None:
    assert "event:      removed from the outbox" in aside(first=None).details().splitlines()

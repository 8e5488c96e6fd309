"""Which rung is taken is decided by the order and by what each rung says of itself."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial

import pytest

from local.kafka import kafka
from local.ladder import KAFKA, POSTGRES, NothingAvailable, Rung, Unavailable, Ways, climb


def ways(*available: Rung) -> Ways[str]:
    """Rungs of which only some can be had; each yields its own name."""

    @contextmanager
    def enter(rung: Rung) -> Iterator[str]:
        if rung not in available:
            raise Unavailable(f"no {rung} today")
        yield rung

    return {rung: partial(enter, rung) for rung in KAFKA}


def taken(rungs: Sequence[Rung], *available: Rung) -> str:
    with climb("Kafka", rungs, ways(*available)) as server:
        return server


@pytest.mark.parametrize(
    ("available", "expected"),
    [
        (KAFKA, "external"),
        (("container", "apache", "wheel"), "container"),
        (("apache", "wheel"), "apache"),
        (("wheel",), "wheel"),
    ],
)
def test_the_first_kafka_that_is_there_is_taken(
    available: tuple[Rung, ...], expected: Rung
) -> None:
    assert taken(KAFKA, *available) == expected


def test_postgres_is_named_contained_or_embedded() -> None:
    assert list(POSTGRES) == ["external", "container", "wheel"]


def test_several_brokers_are_never_had_in_another_way_than_was_asked_for() -> None:
    with (
        pytest.raises(NothingAvailable, match="wheel: one broker at most, not 3"),
        kafka(only="wheel", brokers=3),
    ):
        pass


def test_without_any_rung_the_message_says_why_for_each() -> None:
    with pytest.raises(NothingAvailable, match=r"have Kafka .*external: no external today; cont"):
        taken(KAFKA)


def test_a_rung_is_not_even_tried_after_the_first_that_is_there() -> None:
    tried = ways("external")
    with climb("Kafka", ["external", "wheel"], {"external": tried["external"]}) as server:
        assert server == "external"


def test_an_error_of_the_user_is_not_taken_for_a_missing_rung() -> None:
    with (
        pytest.raises(Unavailable, match="from the block"),
        climb("Kafka", ["external", "wheel"], ways("external", "wheel")),
    ):
        raise Unavailable("from the block")

"""Which rung is taken is decided by the order and by what each rung says of itself."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

import pytest

from local.ladder import (
    KAFKA,
    POSTGRES,
    NothingAvailable,
    Rung,
    Unavailable,
    Ways,
    climb,
    order,
)


def ways(*available: Rung) -> Ways[str]:
    """Rungs of which only some can be had; each yields its own name."""

    @contextmanager
    def enter(rung: Rung) -> Iterator[str]:
        if rung not in available:
            raise Unavailable(f"no {rung} today")
        yield rung

    return {rung: partial(enter, rung) for rung in KAFKA}


def taken(rungs: list[Rung], *available: Rung) -> str:
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
def test_the_tests_take_the_first_kafka_that_is_there(
    available: tuple[Rung, ...], expected: Rung
) -> None:
    assert taken(order(KAFKA), *available) == expected


def test_the_demo_takes_the_wheel_although_an_engine_and_java_are_there() -> None:
    assert taken(order(KAFKA, prefer="wheel"), "container", "apache", "wheel") == "wheel"


def test_what_the_environment_names_beats_what_is_preferred() -> None:
    assert order(KAFKA, prefer="wheel") == ["external", "wheel", "container", "apache"]


def test_postgres_is_named_contained_or_embedded() -> None:
    assert order(POSTGRES) == ["external", "container", "wheel"]


def test_without_any_rung_the_message_says_why_for_each() -> None:
    with pytest.raises(NothingAvailable, match=r"have Kafka .*external: no external today; cont"):
        taken(order(KAFKA))


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

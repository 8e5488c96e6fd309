"""The plan is what its seed says."""

from collections import Counter
from dataclasses import replace

from tests.chaos.plan import FULL, LONG_HOLD, REPEATED, Kind, planned


def test_the_same_seed_repeats_the_sequence_of_faults() -> None:
    first, again = (planned(7, tuple(Kind), 15, FULL) for _ in range(2))
    assert first == again
    assert first != planned(8, tuple(Kind), 15, FULL)


def test_each_kind_comes_as_often_as_asked_and_the_long_one_once_at_the_end() -> None:
    faults = planned(7, tuple(Kind), 15, FULL)
    counted = Counter(fault.kind for fault in faults)
    assert {counted[kind] for kind in REPEATED} == {15}
    assert counted[Kind.BROKER_FROZEN_LONG] == 1
    assert len(REPEATED) == 14
    assert faults[-1].kind is Kind.BROKER_FROZEN_LONG


def test_a_part_of_the_faults_kills_the_publisher_too_and_none_that_is_its_own() -> None:
    faults = planned(7, tuple(Kind), 15, FULL)
    assert 20 < sum(fault.kills for fault in faults) < 80
    assert not any(fault.kills for fault in faults if fault.kind.startswith("publisher"))
    assert all(fault.kills for fault in planned(7, [Kind.BROKER_FROZEN], 5, FULL, kills=1.0))


def test_a_publisher_may_be_frozen_for_longer_than_a_standby_needs_to_see_it() -> None:
    frozen = planned(7, [Kind.PUBLISHER_FROZEN], 100, FULL)
    assert 7.5 < max(fault.hold for fault in frozen) <= 8
    assert max(fault.hold for fault in planned(7, [Kind.BROKER_FROZEN], 100, FULL)) <= 5


def test_the_long_freeze_is_longer_than_the_default_delivery_time_out_of_each_client() -> None:
    defaults = {"kafka-python": 120, "librdkafka": 300}
    for client, seconds in defaults.items():
        (fault,) = planned(7, [Kind.BROKER_FROZEN_LONG], 15, replace(FULL, long=LONG_HOLD[client]))
        assert fault.hold > seconds

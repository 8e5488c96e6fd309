"""A recovery is told by what was recorded after the fault."""

from uuid import UUID

from tests.acceptance.stress.ledger import Change
from tests.acceptance.stress.verdict import Delivered
from tests.chaos.arrivals import Arrivals


def arrivals(*times: tuple[float, float, float]) -> Arrivals:
    """Of records that were recorded, appended and read at these times."""
    reads = iter([read for _, _, read in times])
    some = Arrivals(lambda: next(reads))
    for recorded, appended, _ in times:
        change = Change(1, 1, UUID(int=1))
        some.add(Delivered(b"", 1, change, b"1", 0, recorded, round(appended * 1000)))
    return some


def test_what_was_recorded_before_the_end_of_a_fault_is_no_recovery_though_it_arrives_later() -> (
    None
):
    some = arrivals((9.0, 9.1, 9.2), (9.9, 10.5, 10.6))
    assert some.first_since(10.0) is None
    assert len(some) == 2


def test_the_recovery_is_the_first_to_be_appended_of_what_was_recorded_since() -> None:
    some = arrivals((9.9, 10.5, 10.6), (10.1, 12.0, 12.1), (10.2, 11.5, 12.2))
    assert some.first_since(10.0) == 11.5

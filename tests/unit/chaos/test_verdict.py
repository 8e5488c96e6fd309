"""What the verdict sees, and what it allows."""

from uuid import UUID

from tests.acceptance.stress.ledger import Change
from tests.acceptance.stress.verdict import Delivered, Verdict

FIRST, SECOND, THIRD = (
    Delivered(
        event=bytes([n]),
        sequence=n,
        change=Change(7, n, UUID(int=n)),
        key=b"7",
        partition=2,
        recorded=0.0,
        appended=0,
    )
    for n in (1, 2, 3)
)


def verdict_on(*records: Delivered) -> Verdict:
    """All that was delivered was committed."""
    return Verdict.on({record.change for record in records}, records)


def found(verdict: Verdict) -> dict[str, set[Change]]:
    return {name: what for name, what in vars(verdict).items() if isinstance(what, set) and what}


def test_a_repeat_may_come_behind_later_events_for_its_sequence_tells_that_it_is_old() -> None:
    verdict = verdict_on(FIRST, SECOND, FIRST, SECOND, THIRD)
    assert found(verdict) == {}
    assert verdict.repeated == 2


def test_a_change_that_comes_under_two_ids_is_doubled_and_no_repeat() -> None:
    verdict = verdict_on(FIRST, FIRST._replace(event=b"another", sequence=2))
    assert found(verdict) == {"doubled": {FIRST.change}}
    assert verdict.repeated == 0


def test_a_repeat_with_another_sequence_change_or_key_is_altered() -> None:
    later = FIRST._replace(sequence=9)
    assert found(verdict_on(FIRST, SECOND, later)) == {"altered": {FIRST.change}}
    other = SECOND._replace(event=FIRST.event, sequence=FIRST.sequence)
    verdict = Verdict.on({FIRST.change}, [FIRST, other])
    assert found(verdict) == {"altered": {SECOND.change}}
    elsewhere = FIRST._replace(key=b"8")
    assert verdict_on(FIRST, elsewhere).altered == {FIRST.change}


def test_a_key_that_is_not_its_row_is_misplaced() -> None:
    assert found(verdict_on(FIRST._replace(key=b"8"))) == {"misplaced": {FIRST.change}}


def test_a_key_in_two_partitions_is_misplaced() -> None:
    moved = SECOND._replace(partition=3)
    assert found(verdict_on(FIRST, moved, THIRD)) == {"misplaced": {SECOND.change}}

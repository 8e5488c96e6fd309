import pytest
from hypothesis import given
from hypothesis import strategies as st

from publisher.position import NOTHING, Position, Snapshot


@st.composite
def snapshots(draw: st.DrawFn) -> Snapshot:
    xmin = draw(st.integers(1, 50))
    xmax = draw(st.integers(xmin, 60))
    running = draw(st.sets(st.integers(xmin, max(xmin, xmax - 1))))
    running = {xid for xid in running if xid < xmax}
    return Snapshot(min(running, default=xmax), xmax, tuple(sorted(running)))


@given(snapshots())
def test_a_snapshot_survives_its_text_form(snapshot: Snapshot) -> None:
    assert Snapshot.parse(str(snapshot)) == snapshot


@given(snapshots(), st.integers(1, 70))
def test_a_snapshot_sees_what_ended_before_it(snapshot: Snapshot, xid: int) -> None:
    assert snapshot.sees(xid) == (xid < snapshot.xmax and xid not in snapshot.in_progress)


def test_postgres_text_is_read_as_written() -> None:
    assert Snapshot.parse("10:20:10,14,15") == Snapshot(10, 20, (10, 14, 15))
    assert str(Snapshot(3, 3)) == "3:3:"


@pytest.mark.parametrize("xid", [1, 2, 2**63])
def test_the_first_position_covers_nothing(xid: int) -> None:
    assert not Position(NOTHING).covers(xid, 1)


def test_a_frozen_position_covers_its_window_up_to_the_last_id() -> None:
    position = Position(Snapshot(5, 5), Snapshot(9, 9), last_id=20)
    assert position.covers(4, 99)
    assert position.covers(7, 20)
    assert not position.covers(7, 21)
    assert not position.covers(9, 1)

"""How many rows the next page may have."""

from publisher.paging import PageSize
from publisher.ports import Limits, Row
from publisher.position import Position, Snapshot

INSIDE = Snapshot(1, 1), Snapshot(9, 9)


def rows(*ids: int) -> list[Row]:
    return [Row(n, b"", "t", b"k", "type", 1, None, b"{}", None, b"") for n in ids]


def size(rows: int = 100) -> PageSize:
    return PageSize(Limits(rows=rows, bytes=7), seconds=0.2)


def test_it_begins_as_configured() -> None:
    assert size().limits == Limits(rows=100, bytes=7)


def test_short_transactions_make_pages_larger_up_to_a_bound() -> None:
    paging = size()
    for expected in (200, 400, 400):
        paging.took(paging.limits.rows, 0.05)
        assert paging.limits.rows == expected


def test_long_transactions_make_pages_smaller_down_to_a_bound() -> None:
    paging = size()
    for expected in (50, 25, 25):
        paging.took(paging.limits.rows, 1.0)
        assert paging.limits.rows == expected
    tiny = size(rows=1)
    tiny.took(1, 1.0)
    assert tiny.limits.rows == 1


def test_near_the_target_and_below_a_full_page_nothing_changes() -> None:
    paging = size()
    paging.took(100, 0.2)
    paging.took(99, 0.001)
    assert paging.limits.rows == 100


def test_an_atomic_page_is_cut_before_the_first_suspect_and_then_halved() -> None:
    paging = size()
    paging.narrow(rows(*range(1, 101)), first=41, upto=100, atomic=True)
    assert paging.limits.rows == 40
    paging.narrow(rows(*range(41, 81)), first=41, upto=80, atomic=True)
    assert paging.limits.rows == 20
    paging.narrow(rows(41), first=41, upto=41, atomic=True)
    assert paging.limits.rows == 1


def test_other_pages_go_on_row_by_row() -> None:
    paging = size()
    paging.narrow(rows(7, 8, 9), first=7, upto=9, atomic=False)
    assert paging.limits.rows == 1


def test_pages_are_whole_again_once_the_refused_row_is_passed() -> None:
    paging = size()
    paging.narrow(rows(7, 8, 9), first=7, upto=8, atomic=False)
    assert paging.narrowed
    assert not paging.passed(Position(*INSIDE, 7))
    assert paging.passed(Position(*INSIDE, 8))
    assert not paging.passed(Position(*INSIDE, 9))
    assert paging.limits.rows == 100


def test_the_end_of_a_window_passes_every_row_of_it() -> None:
    paging = size()
    paging.narrow(rows(7), first=7, upto=7, atomic=True)
    assert paging.passed(Position(INSIDE[1]))

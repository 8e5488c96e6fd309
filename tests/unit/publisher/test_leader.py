"""When a publisher counts as frozen, with time passed in, and what one that stands by says."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from publisher.leader import FROZEN, PULSE, TRY_EVERY, Holder, Watch, stands_by

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
HOLDER = Holder(
    pid=4711,
    role="relay",
    host="10.0.0.5",
    since=NOON,
    beat=NOON,
    waits=True,
    may_end=True,
)


def looks(watch: Watch, *holders: Holder, every: float = TRY_EVERY) -> list[bool]:
    return [watch.finds_frozen(holder, at * every) for at, holder in enumerate(holders)]


def times(seconds: float) -> int:
    return round(seconds / TRY_EVERY) + 2


def test_a_session_from_which_nothing_comes_is_frozen_within_a_try_of_the_limit() -> None:
    found = looks(Watch(), *[HOLDER] * times(FROZEN))
    assert not any(found[:-2])
    assert found[-1]


def test_a_session_that_runs_a_statement_now_and_then_never_is() -> None:
    beats = [replace(HOLDER, beat=NOON + timedelta(seconds=at // 12)) for at in range(200)]
    assert not any(looks(Watch(), *beats))


def test_a_session_whose_process_waits_for_the_server_is_not_frozen_however_long() -> None:
    busy = replace(HOLDER, waits=False)
    assert not any(looks(Watch(), *[busy] * 500))


def test_the_time_of_a_statement_does_not_count_afterwards() -> None:
    busy = [replace(HOLDER, waits=False)] * times(FROZEN)
    assert not any(looks(Watch(), *busy, HOLDER, HOLDER))


def test_another_session_starts_anew() -> None:
    other = replace(HOLDER, pid=4712)
    half = times(FROZEN) // 2 + 2
    assert not any(looks(Watch(), *[HOLDER] * half, *[other] * half))


def test_a_standby_or_a_server_that_slept_itself_accuses_nobody() -> None:
    assert looks(Watch(), HOLDER, HOLDER, HOLDER, every=60.0) == [False, False, False]


def test_a_session_that_cannot_be_seen_is_never_frozen() -> None:
    hidden = replace(HOLDER, beat=None)
    assert not any(looks(Watch(), *[hidden] * 500))


def test_the_pulse_leaves_room_for_a_beat_that_comes_late() -> None:
    assert PULSE + PULSE / 4 + 1.0 < FROZEN < 4.0


def test_who_is_active_is_named() -> None:
    assert stands_by("blue", HOLDER, role="relay") == (
        "another publisher named 'blue' is active (session 4711 from 10.0.0.5, connected since "
        "2026-01-01T12:00:00+00:00): this one stands by"
    )
    assert stands_by("blue", None, role="relay") == (
        "another publisher named 'blue' is active: this one stands by"
    )


@pytest.mark.parametrize(
    "holder",
    [
        replace(HOLDER, host=None, since=None, beat=None, waits=False, may_end=False),
        replace(HOLDER, may_end=False),
        replace(HOLDER, beat=None),
    ],
)
def test_a_role_that_cannot_take_over_from_a_frozen_one_says_so_with_the_cure(
    holder: Holder,
) -> None:
    reason = stands_by("blue", holder, role="other")
    assert "could not take over if it froze" in reason
    assert "GRANT relay TO other" in reason


def test_a_server_that_does_not_track_activities_is_named() -> None:
    reason = stands_by("blue", replace(HOLDER, beat=None), role="relay")
    assert "track_activities = on" in reason

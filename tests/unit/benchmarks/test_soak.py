"""What the rounds of a soak come to."""

from dataclasses import replace

from benchmarks.soak import HELD, ROUNDS, Round, figures

CALM = Round(1_000, 100, 10, 0, 50, held=False)


def rounds(**changes: Round) -> list[Round]:
    usual = [replace(CALM, held=number in HELD) for number in range(ROUNDS)]
    return [changes.get(f"round_{number}", each) for number, each in enumerate(usual)]


def values(found: list[Round]) -> dict[str, float]:
    return {figure.name: figure.value for figure in figures("soak", found)}


def verdicts(found: list[Round]) -> dict[str, str]:
    return {figure.name: figure.verdict for figure in figures("soak", found) if figure.verdict}


def test_what_stays_flat_meets_its_goals() -> None:
    assert values(rounds()) == {
        "soak.rate_last_vs_first": 1,
        "soak.rate_beside_old_snapshot_vs_first": 1,
        "soak.table_growth": 1,
        "soak.table_mb": 10,
        "soak.dead_share": 0,
        "soak.position_kb": 50,
    }
    assert set(verdicts(rounds()).values()) == {"met"}


def test_what_grows_after_the_old_snapshot_is_found() -> None:
    last = replace(CALM, table_mb=25, dead_rows=500, position_kb=2_000)
    assert verdicts(rounds(round_7=last)) == {
        "soak.rate_last_vs_first": "met",
        "soak.rate_beside_old_snapshot_vs_first": "met",
        "soak.table_growth": "missed",
        "soak.dead_share": "missed",
        "soak.position_kb": "missed",
    }


def test_what_an_old_snapshot_keeps_is_no_failure_of_ours() -> None:
    held = {f"round_{n}": replace(CALM, table_mb=50, dead_rows=9_000, held=True) for n in HELD}
    assert set(verdicts(rounds(**held)).values()) == {"met"}


def test_a_relay_that_gets_slower_is_found() -> None:
    slow = {f"round_{n}": replace(CALM, rate=80) for n in (6, 7)}
    assert verdicts(rounds(**slow))["soak.rate_last_vs_first"] == "missed"

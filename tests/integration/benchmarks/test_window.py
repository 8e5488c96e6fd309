"""The window benchmark reads behind what an app leaves: many transactions, one of them open."""

import psycopg
import pytest

from benchmarks import window
from publisher.position import Snapshot


def test_retained_rows_come_from_many_transactions(migrated_database_url: str) -> None:
    with psycopg.connect(migrated_database_url, autocommit=True) as connection:
        window.retain(connection, 3_000)
        stored = "SELECT count(*), count(DISTINCT xid) FROM outbox_event"
        assert connection.execute(stored).fetchone() == (3_000, 3)


def test_an_old_writer_is_in_every_snapshot_while_it_is_open(migrated_database_url: str) -> None:
    def in_progress() -> tuple[int, ...]:
        row = connection.execute("SELECT pg_current_snapshot()::text").fetchone()
        assert row is not None
        return Snapshot.parse(row[0]).in_progress

    with psycopg.connect(migrated_database_url, autocommit=True) as connection:
        with window.old_writer(migrated_database_url):
            window.retain(connection, 1_000)
            first = in_progress()
            window.retain(connection, 1_000)
            assert len(first) == 1
            assert in_progress() == first
        assert in_progress() == ()


def test_it_measures_both_statements_in_both_states(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(window, "RETAINED", 20_000)
    said: list[str] = []
    names = {figure.name for figure in window.measure(said.append)}
    assert "window.small_behind_5m.ms" in names
    assert len(said) == 5

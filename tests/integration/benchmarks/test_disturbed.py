"""What disturbs a drain is there from before the backlog until after it."""

import psycopg
import pytest

from benchmarks import disturbed
from benchmarks.log import NotMeasured

WRITERS = """
SELECT count(*) FROM pg_stat_activity
WHERE datname = current_database() AND backend_xid IS NOT NULL
"""
END = """
SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity
WHERE datname = current_database() AND state = 'idle in transaction'
"""


def one(url: str, query: str) -> object:
    with psycopg.connect(url) as connection:
        row = connection.execute(query.encode()).fetchone()
    assert row is not None
    return row[0]


@pytest.mark.parametrize("kind", ["open_outbox_writer", "open_foreign_writer"])
def test_a_writer_is_open_and_leaves_nothing(kind: str, migrated_database_url: str) -> None:
    with disturbed.DISTURBANCES[kind](migrated_database_url, "name"):
        assert one(migrated_database_url, WRITERS) == 1
    assert one(migrated_database_url, "SELECT count(*) FROM outbox_event") == 0


def test_an_old_snapshot_keeps_what_was_updated_and_deleted(
    migrated_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(disturbed, "REMOVED", 500)
    with (
        disturbed.old_snapshot(migrated_database_url, "name"),
        psycopg.connect(migrated_database_url, autocommit=True) as connection,
    ):
        told: list[str] = []
        connection.add_notice_handler(lambda notice: told.append(notice.message_primary or ""))
        connection.execute("VACUUM (VERBOSE) outbox_event")
        assert "500 are dead but not yet removable" in "".join(told)
        position = connection.execute("SELECT name, epoch FROM outbox_position").fetchall()
    assert position == [("name", 0)]


@pytest.mark.parametrize("kind", list(disturbed.DISTURBANCES))
def test_a_disturbance_that_went_away_is_no_figure(
    kind: str, migrated_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(disturbed, "REMOVED", 1)
    with (
        pytest.raises(NotMeasured, match="was not there all the time"),
        disturbed.DISTURBANCES[kind](migrated_database_url, "name"),
    ):
        assert one(migrated_database_url, END) is True

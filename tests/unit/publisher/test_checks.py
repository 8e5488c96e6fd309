from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from publisher.checks import (
    Inspection,
    database_findings,
    journal_findings,
    retention_findings,
    topic_findings,
)
from publisher.guards import Identity
from publisher.leader import Holder
from publisher.ports import Backlog, Topic, TopicSettings
from publisher.position import Position
from publisher.standing import CAP, Standing

HERE = Identity(1, 1)
HOLDER = Holder(7, "relay", "10.0.0.5", None, None, waits=False, may_end=True)
RUNNING = Standing("default", 3, Position(), HERE, datetime.now(UTC), HOLDER, Backlog(0, 0.0))
GOOD = Inspection("default", HERE, [RUNNING], Backlog(0, 0.0), [], [], [], 1, True)
ORDERS = Topic("shop.orders", "state", 12)


def of_database(**what: Any) -> list[str]:
    return [str(finding) for finding in database_findings(replace(GOOD, **what))]


def of_topics(state: int | str, **what: Any) -> list[str]:
    inspection = replace(GOOD, **{"topics": [ORDERS], **what})
    states = dict.fromkeys(inspection.all_topics, state)
    return [str(finding) for finding in topic_findings(inspection, states)]


def test_where_all_is_well_only_the_position_is_told() -> None:
    assert of_database() == [
        "info: position 'default': no row waits; a publisher runs (session 7 from 10.0.0.5)"
    ]
    assert of_topics(12) == []


def test_commits_that_a_crash_forgets_are_a_warning() -> None:
    *_, text = of_database(unsafe_commits=["role app", "database shop"])
    assert text.startswith("warning: synchronous_commit is off for role app, database shop")


def test_a_sequence_with_a_cache_inverts_the_order() -> None:
    *_, text = of_database(id_cache=20)
    assert text.startswith("error: the sequence of outbox_event.id caches 20 values")
    assert "SET CACHE 1" in text


def test_a_table_whose_key_has_no_sequence_is_an_error() -> None:
    *_, text = of_database(id_cache=None)
    assert text.startswith("error: outbox_event.id has no sequence")


def test_a_trigger_that_does_not_wake_is_a_warning_with_its_cure() -> None:
    *_, text = of_database(wakes=False)
    assert text.startswith("warning: the trigger outbox_wake_up of outbox_event is missing or")
    assert "ENABLE TRIGGER outbox_wake_up" in text


def test_restored_rows_beside_a_publisher_that_runs_are_a_warning_with_their_cure() -> None:
    _, text = of_database(restored=7)
    assert text.startswith("warning: 7 rows of outbox_event with transaction ids that this server")
    assert "restart one that runs" in text
    _, text = of_database(restored=1, standings=[replace(RUNNING, holder=None)])
    assert text.startswith("info: 1 row of outbox_event with transaction ids")


def test_the_right_to_redate_restored_rows_is_told_before_it_is_needed() -> None:
    grant = "GRANT UPDATE (xid) ON outbox_event TO relay"
    _, text = of_database(missing_to_redate=grant)
    assert text == f"info: before a dump is restored, this role needs: {grant}"
    _, text = of_database(missing_to_redate=grant, restored=1)
    assert text.startswith("error: 1 row")
    assert text.endswith(grant)


def test_another_history_is_an_error_with_its_cure() -> None:
    *_, text = of_database(identity=Identity(1, 2))
    assert text.startswith("error: the position 'default' belongs to system 1, timeline 1")
    assert "position rebase --since" in text


def test_a_new_name_beside_others_is_a_warning_where_rows_come_again() -> None:
    (again,) = of_database(name="other", backlog=Backlog(7, 1.0))
    assert again == (
        "warning: position 'other' is new: 7 rows will be published (again); existing: default"
    )
    (nothing,) = of_database(name="other")
    assert nothing == "info: position 'other' is new: 0 rows will be published"
    (first,) = of_database(standings=[], backlog=Backlog(CAP, 1.0))
    assert first == "info: position 'default' is new: at least 100000 rows will be published"


def test_an_unknown_topic_is_named() -> None:
    assert of_topics("topic 'shop.orders' is unknown") == ["error: topic 'shop.orders' is unknown"]


def test_another_number_of_partitions_is_a_difference() -> None:
    (text,) = of_topics(6)
    assert text.startswith("difference: topic 'shop.orders' has 6 partitions")
    assert "declares 12" in text


def test_a_topic_that_rows_wait_for_and_nobody_declares_is_named() -> None:
    (exists,) = of_topics(12, waiting_topics=["shop.orders", "shop.new"])
    assert exists.startswith("warning: rows wait for topic 'shop.new'")
    assert "manage.py migrate" in exists
    _, unknown = of_topics("it does not exist", waiting_topics=["shop.new"])
    assert unknown.startswith("error: rows wait for topic 'shop.new'")
    assert unknown.endswith("it does not exist")


def test_a_project_without_topics_is_told() -> None:
    (text,) = of_topics(1, topics=[])
    assert "the project declares no topic" in text


def of_retention(days: int | None = 7, margin: timedelta | None = None, **what: Any) -> list[str]:
    horizon = None if days is None else timedelta(days=days)
    now = datetime.now(UTC)
    found = retention_findings(replace(GOOD, **what), horizon, margin, now)
    return [str(finding) for finding in found]


LEFT = replace(
    RUNNING, name="reports", holder=None, updated_at=datetime.now(UTC) - timedelta(days=8)
)


def test_a_position_that_nobody_moves_any_more_keeps_rows_and_is_named_with_its_cure() -> None:
    (text,) = of_retention(standings=[RUNNING, LEFT])
    assert text.startswith("warning: position 'reports' was stored at ")
    assert text.endswith("outbox-publisher position remove reports")
    assert of_retention(9, standings=[RUNNING, LEFT]) == []
    assert of_retention(None, standings=[RUNNING, LEFT]) == []


def test_a_right_that_is_missing_to_remove_rows_is_a_warning_with_its_grant() -> None:
    grant = "GRANT DELETE ON outbox_event TO relay"
    (text,) = of_retention(missing_for_retention=grant)
    assert text.startswith("warning: published rows are not removed")
    assert grant in text
    assert of_retention(None, missing_for_retention=grant) == []


def test_rows_that_a_fail_over_would_publish_again_should_not_be_removed() -> None:
    (text,) = of_retention(1, margin=timedelta(days=2))
    assert "less than PUBLISHER_REPUBLISH_MARGIN" in text
    assert of_retention(2, margin=timedelta(days=2)) == []


KEPT = TopicSettings(3, 3, "compact", 2)


def of_journal(**what: Any) -> list[str]:
    return [str(finding) for finding in journal_findings("journal", replace(KEPT, **what))]


def test_a_journal_that_keeps_the_position_or_says_nothing_of_itself_is_well() -> None:
    assert of_journal() == []
    assert of_journal(usual_replicas=None, cleanup_policy=None, min_insync_replicas=None) == []


def test_a_journal_that_does_not_exist_yet_will_be_created() -> None:
    (text,) = map(str, journal_findings("journal", None))
    assert text == "info: topic 'journal', where the position is kept, will be created by `run`"


def test_a_journal_from_which_kafka_removes_the_position_is_an_error() -> None:
    for policy in ("delete", "compact,delete"):
        (text,) = of_journal(cleanup_policy=policy)
        assert text.startswith("error: topic 'journal', where the position is kept, has")
        assert f"cleanup.policy={policy}" in text
        assert "set it to compact" in text


def test_a_journal_that_cannot_be_written_for_want_of_replicas_is_an_error() -> None:
    (text,) = of_journal(replicas=1, usual_replicas=1)
    assert text.startswith("error: ")
    assert "has 1 replica and min.insync.replicas=2" in text
    assert "lower the latter, or add replicas" in text


def test_a_journal_of_fewer_replicas_than_a_new_topic_has_is_a_warning() -> None:
    (text,) = of_journal(replicas=2)
    assert text.startswith("warning: ")
    assert "has 2 replicas, the cluster gives 3 to a new topic" in text

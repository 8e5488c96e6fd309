"""What the commands say about a real database and a real cluster, and their exit codes."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import closing
from typing import NamedTuple
from urllib.parse import urlsplit

import pytest

from local.kafka import Broker
from local.scratch import ROOT
from publisher.adapters.clients import CLIENTS, client
from publisher.adapters.journal import Journal
from publisher.adapters.postgres import PostgresStore
from publisher.cli import main
from publisher.guards import RIGHTS
from publisher.ports import Limits, Tenure
from publisher.position import Position
from tests.conftest import MakeTopic
from tests.writers import Writer, execute, write


class Done(NamedTuple):
    code: object
    out: str
    err: str


Command = Callable[..., Done]


@pytest.fixture
def command(
    migrated_database_url: str,
    kafka_broker: Broker,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Command:
    """Runs a command on the test's database, whose only topics are those of the test."""
    execute(migrated_database_url, "TRUNCATE outbox_topic")
    monkeypatch.setenv("PUBLISHER_DATABASE_URL", migrated_database_url)
    monkeypatch.setenv("PUBLISHER_KAFKA_BOOTSTRAP_SERVERS", kafka_broker.bootstrap_servers)

    def run(*words: str) -> Done:
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main(words)
        return Done(ended.value.code, *capsys.readouterr())

    return run


@pytest.fixture
def url(migrated_database_url: str) -> str:
    return migrated_database_url


@pytest.fixture
def topic(url: str, command: Command, make_topic: MakeTopic) -> str:
    """A topic that is declared and exists."""
    name = make_topic()
    declare(url, name)
    return name


def declare(url: str, name: str, partitions: int = 1) -> None:
    execute(url, f"INSERT INTO outbox_topic VALUES ('{name}', 'events', {partitions})")


def published(url: str, name: str = "default") -> None:
    """Let a publisher of that name have published everything."""
    with closing(PostgresStore(url, name=name)) as store:
        store.save(Position(store.small_window(store.open().position.prev, Limits()).now))


def test_check_tells_the_lag_and_whether_a_publisher_runs(
    url: str, command: Command, topic: str
) -> None:
    published(url)
    assert command("check") == (
        0,
        "info: position 'default': no row waits; no publisher runs\nok\n",
        "",
    )
    write(url, b"a", b"b", topic=topic)
    with closing(PostgresStore(url)) as store:
        store.open()
        done = command("check")
    assert "position 'default': 2 rows wait, the oldest for " in done.out
    assert "; a publisher runs (session " in done.out
    assert done.code == 0


def test_check_says_where_a_new_name_starts(url: str, command: Command, topic: str) -> None:
    write(url, b"a", topic=topic)
    assert "position 'default' is new: 1 row will be published\n" in command("check").out
    published(url)
    warning = (
        "warning: position 'other' is new: 1 row will be published (again); existing: default\n"
    )
    assert warning in command("check", "--name", "other").out


def test_check_says_what_run_would_do_on_another_history(
    url: str, command: Command, topic: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    published(url)
    execute(url, "UPDATE outbox_position SET timeline = timeline + 1")
    done = command("check")
    assert done.code == 0
    assert "`run` publishes again what was recorded since" in done.out
    monkeypatch.setenv("PUBLISHER_ON_TIMELINE_CHANGE", "stop")
    done = command("check")
    assert done.code == 1
    assert "error: the position 'default' belongs to system" in done.out
    assert "position rebase --since" in done.out


def test_check_names_every_right_that_is_missing(
    url: str, command: Command, role: str, role_url: str
) -> None:
    execute(url, f"GRANT SELECT ON outbox_event, outbox_metadata, outbox_position TO {role}")
    done = command("check", "--database-url", role_url)
    assert done.code == 1
    assert "GRANT INSERT ON outbox_position" in done.out
    assert "GRANT UPDATE ON outbox_position" in done.out
    assert f"GRANT SELECT ON outbox_topic TO {role}" in done.out
    assert "ON outbox_event" not in done.out


def test_check_names_restored_rows_that_wait_and_the_right_to_redate_them(
    url: str, command: Command, role: str, role_url: str, topic: str
) -> None:
    for table, rights in RIGHTS.items():
        execute(url, f"GRANT {rights} ON {table} TO {role}")
    grant = f"GRANT UPDATE (xid) ON outbox_event TO {role}"
    done = command("check", "--database-url", role_url)
    assert f"info: before a dump is restored, this role needs: {grant}\n" in done.out
    assert done.code == 0
    with closing(PostgresStore(url)) as store:
        store.open()
        write(url, b"a", topic=topic)
        execute(url, "UPDATE outbox_event SET xid = '1000000000'")
        done = command("check", "--database-url", role_url)
        assert done.code == 1
        assert "error: 1 row of outbox_event with transaction ids" in done.out
        assert grant in done.out
        execute(url, grant)
        done = command("check", "--database-url", role_url)
        assert done.code == 0
        assert "warning: 1 row of outbox_event with transaction ids" in done.out
    published(url)
    assert "transaction ids" not in command("check", "--database-url", role_url).out


def test_check_finds_roles_whose_commits_a_crash_forgets(
    url: str, command: Command, role: str, topic: str
) -> None:
    execute(url, f"ALTER ROLE {role} SET synchronous_commit = off")
    done = command("check")
    assert f"warning: synchronous_commit is off for role {role}" in done.out
    execute(url, f"ALTER ROLE {role} SET synchronous_commit = local")
    assert "synchronous_commit" not in command("check").out
    database = urlsplit(url).path.strip("/")
    execute(url, f"ALTER DATABASE {database} SET synchronous_commit = false")
    assert f"database {database}" in command("check").out


def test_check_finds_a_sequence_with_a_cache(url: str, command: Command, topic: str) -> None:
    execute(url, "ALTER TABLE outbox_event ALTER COLUMN id SET CACHE 20")
    done = command("check")
    assert done.code == 1
    assert "error: the sequence of outbox_event.id caches 20 values" in done.out


def test_check_finds_a_key_that_has_no_sequence(url: str, command: Command, topic: str) -> None:
    execute(url, "ALTER TABLE outbox_event ALTER COLUMN id DROP IDENTITY")
    done = command("check")
    assert done.code == 1
    assert "error: outbox_event.id has no sequence: run `manage.py migrate outbox`" in done.out


def test_check_compares_the_partitions_that_are_declared_with_those_there_are(
    url: str, command: Command, make_topic: MakeTopic
) -> None:
    name = make_topic(partitions=3)
    declare(url, name, partitions=2)
    done = command("check")
    assert f"difference: topic {name!r} has 3 partitions, the Django project declares 2" in done.out
    assert "adding partitions moves keys" in done.out
    execute(url, "UPDATE outbox_topic SET partitions = 3")
    assert name not in command("check").out


def test_check_finds_a_trigger_that_does_not_wake(url: str, command: Command, topic: str) -> None:
    execute(url, "ALTER TABLE outbox_event DISABLE TRIGGER outbox_wake_up")
    done = command("check")
    assert "warning: the trigger outbox_wake_up of outbox_event is missing or disabled" in done.out
    assert done.code == 0


def test_check_finds_a_pooler_that_lends_sessions_to_others(
    command: Command, topic: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("publisher.commands.check.shares_sessions", lambda *_: True)
    done = command("check")
    assert "warning: a pooler lends the session of PUBLISHER_DATABASE_URL to others" in done.out
    assert "PUBLISHER_WAKE_UP=poll" in done.out


def test_check_finds_the_topics_of_rows_that_wait(
    url: str, command: Command, topic: str, make_topic: MakeTopic
) -> None:
    undeclared = make_topic("undeclared")
    write(url, b"a", topic="published.typo")
    published(url)
    late = Writer(url)
    late.record(topic="typo")
    write(url, b"a", topic=undeclared)
    late.commit()
    done = command("check")
    assert done.code == 1
    assert (
        "error: rows wait for topic 'typo', which the Django project does not declare" in done.out
    )
    assert f"warning: rows wait for topic '{undeclared}'" in done.out
    assert "run `manage.py migrate`" in done.out
    assert "published.typo" not in done.out


@pytest.fixture(params=CLIENTS)
def journal(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Journal:
    """Of a new publisher that delivers exactly once, through either client."""
    name = f"check.{os.getpid()}.{request.param}.{time.monotonic_ns()}"
    monkeypatch.setenv("PUBLISHER_DELIVERY", "exactly-once")
    monkeypatch.setenv("PUBLISHER_KAFKA_CLIENT", request.param)
    monkeypatch.setenv("PUBLISHER_NAME", name)
    return Journal(name)


def test_check_says_what_keeps_a_journal_from_keeping_the_position(
    command: Command, journal: Journal, durable_broker: Broker
) -> None:
    wrong = {"cleanup.policy": "delete", "min.insync.replicas": "3"}
    durable_broker.create_topic(journal.topic, 1, wrong)
    done = command("check")
    assert f"error: topic '{journal.topic}', where the position is kept, has cleanup" in done.out
    assert "replicas=3, so that nothing can be written" in done.out
    assert done.code == 1


def test_check_finds_nothing_wrong_with_a_journal_that_run_created(
    command: Command, journal: Journal, durable_broker: Broker
) -> None:
    broker = client("kafka-python").transactions(durable_broker.bootstrap_servers, {}, journal)
    broker.open()
    broker.recover(Tenure(Position(), "/shop", inherited=True), lambda: 1)
    broker.close()
    done = command("check")
    assert journal.topic not in done.out
    assert done.code == 0


def test_check_says_that_run_creates_the_journal_unless_the_position_was_in_it(
    url: str, command: Command, journal: Journal, durable_broker: Broker
) -> None:
    done = command("check")
    assert f"info: topic '{journal.topic}', where the position is kept, will be" in done.out
    assert done.code == 0
    published(url, journal.name)
    execute(url, "UPDATE outbox_position SET keeper = 'kafka'")
    done = command("check")
    assert f"error: topic '{journal.topic}' holds no position, but the database says" in done.out
    assert done.code == 1


def test_check_reports_kafka_though_the_database_is_away_and_the_other_way_round(
    url: str, command: Command, topic: str
) -> None:
    done = command("check", "--database-url", "postgresql://app:hunter2@127.0.0.1:1/shop")
    assert (done.code, done.out.count("error: ")) == (1, 1)
    assert "PostgreSQL cannot be reached" in done.out
    assert "hunter2" not in done.out
    neither = command(
        "check",
        "--database-url",
        "postgresql://127.0.0.1:1/shop",
        "--kafka-bootstrap-servers",
        "127.0.0.1:1",
    )
    assert (neither.code, neither.out.count("error: ")) == (1, 2)
    kafka = command("check", "--kafka-bootstrap-servers", "127.0.0.1:1")
    assert kafka.code == 1
    assert "position 'default' is new" in kafka.out
    assert "error: Kafka cannot be reached" in kafka.out


def test_every_topic_is_reported_though_one_cannot_be_created(
    url: str, command: Command, topic: str, durable_broker: Broker
) -> None:
    new = f"{topic}.new"
    declare(url, new, 2)
    declare(url, "a b")
    done = command("topics", "create")
    assert done.code == 1
    lines = dict(line.split(": ", 1) for line in done.out.splitlines())
    assert lines[topic] == "exists with 1 partitions (events, 1 partitions declared)"
    assert lines[new] == "created (events, 2 partitions declared)"
    assert lines["a b"].startswith("failed: ")
    assert f"{new}: exists with 2 partitions" in command("topics", "create").out


def test_show_tells_what_waits_before_the_first_run(url: str, command: Command) -> None:
    write(url, b"a", b"b")
    done = command("position", "show")
    assert "no publisher has run on this database yet" in done.out
    assert "starts at the beginning of the table, where 2 rows wait" in done.out


def test_show_tells_whether_a_publisher_runs(url: str, command: Command) -> None:
    published(url, "other")
    with closing(PostgresStore(url)) as store:
        store.open()
        lines = command("position", "show").out.splitlines()
    assert [line.split(":")[0] for line in lines] == ["default", "other"]
    assert ["a publisher runs" in line for line in lines] == [True, False]
    assert "no publisher runs" in command("position", "show").out.splitlines()[0]


def test_a_number_of_rows_at_the_cap_is_at_least(
    url: str, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("publisher.standing.CAP", 2)
    monkeypatch.setattr("publisher.adapters.tables.CAP", 2)
    write(url, b"a", b"b", b"c")
    assert "where at least 2 rows wait" in command("position", "show").out
    assert "at least 2 rows will be" in command("position", "rebase", "--since", "1h").out


def test_a_dry_run_of_rebase_moves_nothing(url: str, command: Command) -> None:
    write(url, b"a", b"b")
    published(url)
    before = command("position", "show").out
    dry = command("position", "rebase", "--since", "1h", "--dry-run")
    assert dry.code == 0
    assert "2 rows would be published" in dry.out
    assert command("position", "show").out == before
    assert "2 rows will be published" in command("position", "rebase", "--since", "1h").out
    assert "2 rows wait" in command("position", "show").out


def test_rebase_says_how_many_unpublished_rows_it_leaves_out_and_does_so_only_when_told(
    url: str, command: Command
) -> None:
    published(url)
    write(url, b"a", b"b")
    execute(url, "UPDATE outbox_event SET created_at = created_at - interval '5 h'")
    words = ("position", "rebase", "--since", "1h")
    assert command(*words).out.endswith("2 rows will be published\n")
    dry = command(*words, "--skip-unpublished", "--dry-run").out
    assert "; 0 rows would be published\n2 rows recorded before that" in dry
    assert "2 rows wait" in command("position", "show").out
    done = command(*words, "--skip-unpublished").out
    assert "'default' has not published, will never be" in done
    assert "no row waits" in command("position", "show").out
    assert "2 rows recorded before that" in command(*words, "--name", "new").out


def test_rebase_on_another_history_publishes_the_margin_again_at_least(
    url: str, command: Command
) -> None:
    write(url, b"a", b"b")
    published(url)
    for damage in ("timeline + 1", "timeline - 1"):
        execute(url, f"UPDATE outbox_position SET timeline = {damage}")
        done = command("position", "rebase", "--since", "now")
        assert "2 rows will be published" in done.out
        published(url)
    done = command("position", "rebase", "--since", "now")
    assert "; 0 rows will be published" in done.out


def test_a_position_is_removed_unless_its_publisher_runs(url: str, command: Command) -> None:
    published(url)
    with closing(PostgresStore(url, name="old")) as store:
        store.open()
        refused = command("position", "remove", "old")
        assert refused.code == 1
        assert "'old' is running: stop it first" in refused.err
    assert command("position", "remove", "old").code == 0
    gone = command("position", "remove", "old")
    assert gone.code == 1
    assert "there is no position 'old'; existing: default" in gone.err


def outcome(*words: str, env: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("PUBLISHER_")}
    return subprocess.run(
        [sys.executable, "-m", "publisher.cli", *words],
        env={**clean, **env},
        cwd=ROOT,
        capture_output=True,
        text=True,
    )


GOOD = {
    "PUBLISHER_DATABASE_URL": "postgresql://app:hunter2@127.0.0.1:1/shop",
    "PUBLISHER_KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1",
}


@pytest.mark.parametrize(
    ("words", "env", "says"),
    [
        (["run"], {}, "PUBLISHER_DATABASE_URL is not set"),
        (["run"], {**GOOD, "PUBLISHER_KAFKA_CONFIG": "abc"}, "PUBLISHER_KAFKA_CONFIG: "),
        (["run", "--http", "nonsense"], GOOD, "PUBLISHER_HTTP='nonsense': is not host:port"),
        (["run", "--http", "192.0.2.1:80"], GOOD, "cannot listen there"),
        (["check"], {**GOOD, "PUBLISHER_NAMES": "x"}, "write PUBLISHER_NAME, or remove it"),
        (["position", "rebase", "--since", "soon"], GOOD, "'soon' is not a moment"),
        (["nonsense"], GOOD, "No such command 'nonsense'"),
    ],
)
def test_wrong_usage_and_configuration_end_with_2_and_no_traceback(
    words: list[str], env: dict[str, str], says: str
) -> None:
    done = outcome(*words, env=env)
    assert done.returncode == 2
    assert says in done.stderr
    assert "Traceback" not in done.stderr
    assert "hunter2" not in done.stderr


def test_the_last_words_of_a_publisher_are_a_line_of_its_log(migrated_database_url: str) -> None:
    env = {
        **GOOD,
        "PUBLISHER_DATABASE_URL": f"{migrated_database_url}x",
        "PUBLISHER_HTTP": "127.0.0.1:0",
    }
    done = outcome("run", env=env)
    assert done.returncode == 1
    last = json.loads(done.stderr.splitlines()[-1])
    assert (last["event"], last["error"]) == ("failed", "CredentialsRejected")
    assert "does not exist" in last["reason"]
    assert done.stdout == ""


def test_prune_says_what_it_removed_and_what_holds_rows_back(url: str, command: Command) -> None:
    write(url, b"a", b"b")
    published(url)
    published(url, "reports")
    write(url, b"c")
    published(url)
    execute(url, "UPDATE outbox_event SET created_at = created_at - interval '8 days'")
    assert command("prune", "--dry-run").out.startswith(
        "would remove 2 rows and 0 done requests\nposition 'reports' holds rows back: 1 row waits"
    )
    done = command("prune")
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith("removed 2 rows and 0 done requests\nposition 'reports' holds")
    assert done.out.endswith("outbox-publisher position remove reports\n")
    assert command("position", "remove", "reports").code == 0
    assert command("prune").out == "removed 1 row and 0 done requests\n"


def test_prune_takes_another_age(url: str, command: Command) -> None:
    write(url, b"a")
    published(url)
    assert command("prune", "--older-than", "1h").out == "removed 0 rows and 0 done requests\n"
    done = command("prune", "--older-than", "week")
    assert done.code == 2
    assert "'week' is not an age: write 90s, 30m, 1h or 7d" in done.err
    assert command("prune", "--older-than", "0s").out == "removed 1 row and 0 done requests\n"


def test_prune_needs_an_age_where_retention_is_off(
    url: str, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PUBLISHER_RETENTION", "off")
    done = command("prune")
    assert (done.code, done.err) == (
        2,
        "PUBLISHER_RETENTION is off: say --older-than, such as 7d\n",
    )
    assert command("prune", "--older-than", "7d").code == 0


def test_check_names_a_position_that_nobody_moves_any_more_and_a_missing_grant(
    url: str, command: Command, topic: str, role: str, role_url: str
) -> None:
    published(url, "reports")
    execute(url, "UPDATE outbox_position SET updated_at = updated_at - interval '8 days'")
    assert "outbox-publisher position remove reports\n" in command("check").out
    execute(
        url,
        f"GRANT SELECT ON outbox_event, outbox_metadata, outbox_topic TO {role}; "
        f"GRANT SELECT, INSERT, UPDATE ON outbox_position, outbox_request TO {role}; "
        f"GRANT SELECT, INSERT, UPDATE, DELETE ON outbox_parked TO {role}",
    )
    done = command("check", "--database-url", role_url)
    assert f"GRANT DELETE ON outbox_event TO {role}" in done.out
    assert done.code == 0

"""The demo tells the truth: it passes, and it fails when something is broken."""

import json
import os
import re
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from contextlib import nullcontext, suppress
from dataclasses import dataclass, replace
from pathlib import Path

import psutil
import psycopg
import pytest

from examples.demo.__main__ import main
from examples.demo.comparison import SOURCES, Arrival, Verdict, compare, inversions
from examples.demo.services import Services
from examples.shop import replica
from local.postgres import Postgres
from local.process import Process
from local.scratch import ROOT

LAST_LINE = re.compile(
    r"demo: recorded=(\d+) delivered=\1 missing=0 duplicates=\d+ inversions=0 replica=equal"
)
# What a caller has set for other servers and other hosts.
FOREIGN = {
    "HTTP_PROXY": "http://127.0.0.1:1",
    "ALL_PROXY": "http://127.0.0.1:1",
    "PGSSLMODE": "verify-full",
    "PGSERVICE": "elsewhere",
    "PGCLIENTENCODING": "LATIN1",
    "DATABASE_URL": "postgresql://127.0.0.1:1/elsewhere",
    "KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1",
    "PUBLISHER_NAME": "elsewhere",
}
SHOP = """
    CREATE TABLE outbox_event (event_id uuid);
    CREATE TABLE auth_user (id integer, password text, email text, last_login timestamptz);
    CREATE TABLE customers_customer (id bigint, name text);
    CREATE TABLE orders_label (id bigint, name text);
    CREATE TABLE orders_order (id bigint, total numeric(12, 2), internal_note text,
        placed_at timestamptz);
    CREATE TABLE reference_country (alpha_2 text);
    CREATE TABLE reference_subdivision (code text);
    CREATE TABLE reference_language (alpha_3 text);
    CREATE TABLE reference_currency (alpha_3 text);
    INSERT INTO orders_order VALUES (1, 9.90, 'secret', '2024-01-01 12:00+01');
"""
ORDER = {"id": 1, "total": "9.90", "placed_at": "2024-01-01T11:00:00Z"}
EVENT = str(uuid.UUID(int=1))


@pytest.fixture
def urls(postgres_server: Postgres, database_url: str) -> tuple[str, str]:
    """A shop with one order, and a replica that has it; both in one database."""
    with psycopg.connect(database_url) as shop:
        shop.execute(SHOP)
        shop.execute("INSERT INTO outbox_event VALUES (%s)", [EVENT])
    with replica.connect(database_url) as connection:
        connection.execute(
            "INSERT INTO replica VALUES ('shop.orders', '1', 1, %s)", [json.dumps(ORDER)]
        )
        connection.execute(replica.JOURNAL, [EVENT, "shop.orders", "1", 1])
    return database_url, database_url


def damaged(urls: tuple[str, str], statement: str) -> Verdict:
    with psycopg.connect(urls[1]) as connection:
        connection.execute(statement)
    return compare(*urls)


@dataclass(frozen=True)
class Run:
    """The real demo, whose caller has settings for other servers."""

    code: int
    said: str
    seconds: float
    processes: set[psutil.Process]
    elsewhere: list[Path]


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("demo")
    places = {name: folder / name.lower() for name in ("HOME", "TMPDIR")}
    for place in places.values():
        place.mkdir()
    env = {**os.environ, **FOREIGN, **{name: str(place) for name, place in places.items()}}
    seen: set[psutil.Process] = set()
    started = time.monotonic()
    with (folder / "output").open("w+") as output:
        command = [sys.executable, "-m", "examples.demo"]
        with subprocess.Popen(
            command, cwd=ROOT, env=env, stdout=output, stderr=subprocess.STDOUT
        ) as process:
            try:
                while process.poll() is None:
                    seen |= family(process.pid)
                    time.sleep(0.1)
            finally:
                process.terminate()
        seconds = time.monotonic() - started
        output.seek(0)
        left = [path for place in places.values() for path in place.iterdir()]
        return Run(process.returncode, output.read(), seconds, seen, left)


def family(pid: int) -> set[psutil.Process]:
    with suppress(psutil.NoSuchProcess):
        return set(psutil.Process(pid).children(recursive=True))
    return set()


def runs(process: psutil.Process) -> bool:
    with suppress(psutil.NoSuchProcess):
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    return False


@pytest.mark.timeout(180)
def test_the_demo_delivers_everything_though_its_publisher_is_killed(demo: Run) -> None:
    assert demo.code == 0, demo.said
    assert "killed with SIGKILL" in demo.said
    match = LAST_LINE.fullmatch(demo.said.splitlines()[-1])
    assert match, demo.said
    assert int(match[1]) > 13_000


def test_the_demo_takes_less_than_90_seconds(demo: Run) -> None:
    assert demo.seconds < 90


def test_the_demo_leaves_no_process_and_no_file_outside_the_checkout(demo: Run) -> None:
    assert len(demo.processes) > 10
    assert not [process for process in demo.processes if runs(process)]
    assert demo.elsewhere == []


VERDICT = Verdict(
    recorded=2, delivered=2, missing=0, phantoms=0, duplicates=1, inversions=0, different=()
)


@pytest.fixture
def services(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """Services that never started, with a log of the publisher."""
    log = tmp_path / "publisher.log"
    log.write_text("Kafka refused")
    running = Services("", "", "", {"publisher": Process(["true"], log=log)}, {}, ())
    monkeypatch.setattr("examples.demo.__main__.services", lambda: nullcontext(running))
    handler = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, handler)


@pytest.mark.usefixtures("services")
def test_a_good_verdict_is_the_last_line_and_no_failure(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("examples.demo.__main__.play", lambda running: VERDICT)
    assert main() == 0
    said = capsys.readouterr().out
    assert said.splitlines()[-1] == str(VERDICT)
    assert "Kafka refused" not in said


@pytest.mark.usefixtures("services")
def test_a_bad_verdict_is_a_failure_with_the_ends_of_the_logs(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    bad = replace(VERDICT, delivered=1, missing=1, different=("shop.orders",))
    monkeypatch.setattr("examples.demo.__main__.play", lambda running: bad)
    assert main() == 1
    said = capsys.readouterr().out
    assert "the end of the log of publisher:\nKafka refused" in said
    assert "shop.orders differ" in said
    assert said.splitlines()[-1] == str(bad)


@pytest.mark.usefixtures("services")
def test_a_demo_that_breaks_off_shows_the_ends_of_the_logs(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def play(running: Services) -> Verdict:
        raise RuntimeError("POST /orders answered 500")

    monkeypatch.setattr("examples.demo.__main__.play", play)
    with pytest.raises(RuntimeError, match="answered 500"):
        main()
    assert "Kafka refused" in capsys.readouterr().out


def test_a_replica_that_is_equal_passes(urls: tuple[str, str]) -> None:
    verdict = compare(*urls)
    assert LAST_LINE.fullmatch(str(verdict))
    assert verdict.exit_code == 0


@pytest.mark.parametrize(
    "damage",
    [
        "DELETE FROM replica",
        "UPDATE replica SET state = NULL",
        """UPDATE replica SET state = jsonb_set(state, '{total}', '"9.91"')""",
        "INSERT INTO replica VALUES ('shop.countries', 'XX', 9, '{}')",
    ],
)
def test_a_replica_that_differs_fails(urls: tuple[str, str], damage: str) -> None:
    verdict = damaged(urls, damage)
    assert str(verdict).endswith("missing=0 duplicates=0 inversions=0 replica=different")
    assert verdict.exit_code == 1


def test_an_event_that_never_arrived_fails(urls: tuple[str, str]) -> None:
    verdict = damaged(urls, "DELETE FROM delivered")
    assert (verdict.missing, verdict.exit_code) == (1, 1)


def test_an_event_that_nobody_recorded_fails(urls: tuple[str, str]) -> None:
    verdict = damaged(urls, "UPDATE delivered SET event_id = gen_random_uuid()")
    assert (verdict.phantoms, verdict.exit_code) == (1, 1)


def test_an_event_that_came_twice_is_counted_and_passes(urls: tuple[str, str]) -> None:
    again = "INSERT INTO delivered (event_id, topic, key, sequence) "
    verdict = damaged(urls, again + "SELECT event_id, topic, key, sequence FROM delivered")
    assert (verdict.delivered, verdict.duplicates, verdict.exit_code) == (1, 1, 0)


def test_a_later_event_before_an_earlier_one_of_its_key_is_an_inversion() -> None:
    def arrival(key: str, sequence: int) -> Arrival:
        return Arrival(f"{key}{sequence}", "shop.orders", key, sequence)

    assert inversions([arrival("1", 5), arrival("2", 1), arrival("1", 7)]) == 0
    assert inversions([arrival("1", 5), arrival("2", 1), arrival("1", 3)]) == 1


def test_a_note_that_reached_the_replica_fails(urls: tuple[str, str]) -> None:
    leak = """UPDATE replica SET state = state || '{"internal_note": "secret"}'"""
    assert damaged(urls, leak).different == ("shop.orders",)


def test_every_topic_of_states_is_compared() -> None:
    assert set(SOURCES) == set(replica.STATES)

"""PostgreSQL of this machine: starts, breaks, comes back with its data, leaves nothing."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import psutil
import psycopg
import pytest

from local.cluster import DISGUISES
from local.postgres import Postgres, database_name, postgres
from local.scratch import HOME, ROOT
from tests.waiting import eventually

SEGMENTS = Path("/proc/sysvipc/shm")


def family(pid: int | None) -> list[psutil.Process]:
    assert pid is not None
    parent = psutil.Process(pid)
    return [parent, *parent.children(recursive=True)]


def gone(processes: list[psutil.Process]) -> bool:
    return not any(
        process.is_running() and process.status() != psutil.STATUS_ZOMBIE for process in processes
    )


def setting(url: str, name: str) -> str:
    with psycopg.connect(url) as connection:
        row = connection.execute("SELECT current_setting(%s)", [name]).fetchone()
        assert row is not None
        return str(row[0])


def segments() -> set[str]:
    """The ids of all segments of System V shared memory."""
    return {line.split()[1] for line in SEGMENTS.read_text().splitlines()}


def shared_files(pid: int | None) -> list[str]:
    """The files in memory that a process shares with others."""
    return re.findall(r"/dev/shm/PostgreSQL\.\d+", Path(f"/proc/{pid}/maps").read_text())


@pytest.mark.parametrize("ending", [Postgres.stop, Postgres.kill])
def test_data_survive_the_end_of_the_server(
    private_postgres: Postgres, ending: Callable[[Postgres], None]
) -> None:
    url = private_postgres.create_database("kept")
    with psycopg.connect(url) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 42 AS answer")
    ending(private_postgres)
    assert private_postgres.pid is None
    private_postgres.start()
    with psycopg.connect(url) as connection:
        assert connection.execute("SELECT answer FROM kept").fetchone() == (42,)


def test_a_stop_does_not_wait_for_a_client_to_leave(private_postgres: Postgres) -> None:
    with psycopg.connect(private_postgres.url):
        private_postgres.stop()


def test_a_frozen_server_keeps_its_clients_waiting_and_goes_on(private_postgres: Postgres) -> None:
    with psycopg.connect(private_postgres.url) as connection:
        private_postgres.freeze()
        with pytest.raises(psycopg.OperationalError):
            psycopg.connect(private_postgres.url, connect_timeout=2)
        private_postgres.thaw()
        assert connection.execute("SELECT 1").fetchone() == (1,)


def test_it_can_become_a_standby_and_be_promoted(private_postgres: Postgres) -> None:
    private_postgres.become_standby()
    with psycopg.connect(private_postgres.url, autocommit=True) as connection:
        assert connection.execute("SELECT pg_is_in_recovery()").fetchone() == (True,)
        assert connection.execute("SELECT pg_promote()").fetchone() == (True,)
        timeline = "SELECT left(pg_walfile_name(pg_current_wal_lsn()), 8)"
        assert connection.execute(timeline).fetchone() == ("00000002",)


def test_a_wrong_password_is_refused(private_postgres: Postgres) -> None:
    wrong = private_postgres.url.replace("outbox@", "wrong@")
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(wrong)


def test_writes_are_safe_unless_a_test_says_otherwise() -> None:
    with postgres(only="wheel") as safe:
        assert setting(safe.url, "fsync") == "on"
    with postgres(only="wheel", fsync=False) as unsafe:
        assert setting(unsafe.url, "fsync") == "off"


def test_settings_for_the_clients_of_other_servers_are_not_its_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PGCLIENTENCODING", "LATIN1")
    with postgres(only="wheel", fsync=False) as server:
        monkeypatch.delenv("PGCLIENTENCODING")
        assert setting(server.url, "client_encoding") == "UTF8"


@pytest.mark.parametrize("options", ["", "?application_name=named%20by%20the%20environment"])
def test_a_server_that_the_environment_names_is_used_with_all_that_its_url_says(
    options: str, postgres_server: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", postgres_server.url.partition("?")[0] + options)
    with postgres() as named:
        assert named.kind == "external"
        url = named.create_database(f"named {os.getpid()}")
        try:
            assert database_name(url) == f"named {os.getpid()}"
            assert setting(url, "application_name") == ("named by the environment" * bool(options))
        finally:
            named.drop_database(database_name(url))


def test_prepared_transactions_are_possible(postgres_server: Postgres) -> None:
    assert int(setting(postgres_server.url, "max_prepared_transactions")) > 0


@pytest.mark.parametrize("state", [Postgres.thaw, Postgres.freeze, Postgres.stop])
def test_nothing_is_left_after_the_block(state: Callable[[Postgres], None]) -> None:
    with postgres(only="wheel", fsync=False) as server:
        assert server.data is not None
        folder, processes = server.data.parent, family(server.pid)
        assert folder.parent == HOME
        state(server)
    assert gone(processes)
    assert not folder.exists()


@pytest.mark.skipif(not SEGMENTS.exists(), reason="the system does not list its shared memory")
@pytest.mark.parametrize("state", [Postgres.thaw, Postgres.freeze, Postgres.stop])
def test_no_shared_memory_is_left_after_the_block(state: Callable[[Postgres], None]) -> None:
    with postgres(only="wheel", fsync=False) as server:
        assert server.data is not None
        segment = (server.data / "postmaster.pid").read_text().splitlines()[6].split()[1]
        files = [Path(name) for name in shared_files(server.pid)]
        assert segment in segments()
        assert files
        state(server)
    assert segment not in segments()
    assert not [file for file in files if file.exists()]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root needs a disguise")
@pytest.mark.parametrize("way", DISGUISES)
def test_root_runs_it_in_a_folder_that_only_root_may_enter(
    way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    HOME.mkdir(parents=True, exist_ok=True)
    mode = HOME.stat().st_mode
    monkeypatch.setattr("local.cluster.DISGUISES", {way: DISGUISES[way]})
    HOME.chmod(0o700)
    try:
        with postgres(only="wheel", fsync=False) as server:
            assert setting(server.url, "max_connections") == "200"
    finally:
        HOME.chmod(mode)


FOREGROUND = [sys.executable, "-m", "local", "postgres", "--only=wheel"]


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_server_in_the_foreground_ends_with_its_process(ending: signal.Signals) -> None:
    with subprocess.Popen(FOREGROUND, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        folder = Path(setting(url, "data_directory"))
        server = int((folder / "postmaster.pid").read_text().split()[0])
        processes = family(server)
        process.send_signal(ending)
    eventually(lambda: gone(processes))
    assert process.returncode == (-ending if ending == signal.SIGKILL else 0)

"""The shop, the publisher and the replica as child processes, with their servers."""

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from local.kafka import kafka
from local.ports import LOOPBACK, free_ports
from local.postgres import postgres
from local.process import Process
from local.scratch import ROOT, scratch

USER = "clerk"
PASSWORD = "correct horse battery staple"
PYTHON = (sys.executable, "-m")
MANAGE = (sys.executable, "manage.py")

# Settings of these programs, and what libpq adds to each address of a database.
NOT_INHERITED = ("PUBLISHER_", "DJANGO_", "GUNICORN_", "PG")


@dataclass(frozen=True, slots=True)
class Services:
    """Everything that runs; the logs of the processes vanish at the end."""

    source_url: str
    replica_url: str
    shop: str
    processes: Mapping[str, Process]
    env: dict[str, str]
    servers: tuple[object, ...]

    @property
    def publisher(self) -> Process:
        return self.processes["publisher"]

    def load_reference(self) -> None:
        """Load the reference data, with its progress bar on this terminal."""
        subprocess.run([*MANAGE, "load_reference"], cwd=ROOT, env=self.env, check=True)

    def check(self) -> None:
        """Raise local.process.DiedEarly when one of ours ended by itself."""
        for process in self.processes.values():
            process.check()


@contextmanager
def services() -> Iterator[Services]:
    """All of it, migrated and running, for as long as the block runs."""
    with ExitStack() as stack:
        work = stack.enter_context(scratch("demo"))
        database = stack.enter_context(postgres(only="wheel", fsync=False))
        broker = stack.enter_context(kafka(only="wheel"))
        urls = database.create_database("shop"), database.create_database("replica")
        env = environment(*urls, broker.bootstrap_servers)
        prepare(env)
        [port] = free_ports(1)
        bind = f"{LOOPBACK}:{port}"
        processes = {
            name: stack.enter_context(Process(command, log=work / f"{name}.log", env=env, cwd=ROOT))
            for name, command in commands(bind, work).items()
        }
        yield Services(*urls, f"http://{bind}", processes, env, (database, broker))


def commands(bind: str, work: Path) -> dict[str, list[str]]:
    """How each process is started."""
    web = [*PYTHON, "gunicorn", "--bind", bind, "--workers=2", f"--worker-tmp-dir={work}"]
    return {
        "web": [*web, "--no-control-socket", "examples.shop.wsgi"],
        "publisher": [*PYTHON, "publisher.cli", "run"],
        "replica": [*PYTHON, "examples.shop.replica"],
    }


@contextmanager
def own_environment() -> Iterator[None]:
    """This process, too, is told nothing by the caller that is meant for other servers."""
    caller = dict(os.environ)
    for name in filter(lambda name: name.startswith(NOT_INHERITED), caller):
        del os.environ[name]
    try:
        yield
    finally:
        os.environ.update(caller)


def environment(source_url: str, replica_url: str, bootstrap_servers: str) -> dict[str, str]:
    """What the processes are told; nothing of the caller's own settings for them."""
    inherited = {
        name: value for name, value in os.environ.items() if not name.startswith(NOT_INHERITED)
    }
    return inherited | {
        "PYTHONPATH": str(ROOT),
        "DJANGO_SETTINGS_MODULE": "examples.shop.settings",
        "DATABASE_URL": source_url,
        "PUBLISHER_DATABASE_URL": source_url,
        "PUBLISHER_KAFKA_BOOTSTRAP_SERVERS": bootstrap_servers,
        "PUBLISHER_HTTP": f"{LOOPBACK}:0",
        "REPLICA_DATABASE_URL": replica_url,
        "KAFKA_BOOTSTRAP_SERVERS": bootstrap_servers,
    }


def prepare(env: dict[str, str]) -> None:
    """Tables, a user who may log in, topics."""
    run([*MANAGE, "migrate", "--verbosity=0"], env)
    user = [*MANAGE, "createsuperuser", "--noinput", "--verbosity=0"]
    run([*user, f"--username={USER}", "--email="], env | {"DJANGO_SUPERUSER_PASSWORD": PASSWORD})
    run([*PYTHON, "publisher.cli", "topics", "create"], env)


def run(command: list[str], env: dict[str, str]) -> None:
    """Run a command to its end; RuntimeError with what it said when it fails."""
    done = subprocess.run(
        command, cwd=ROOT, env=env, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} failed:\n{done.stdout}")

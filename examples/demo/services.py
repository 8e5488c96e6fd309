"""The shop, the publisher and the replica as child processes, with their servers."""

import os
import subprocess
import sys
from collections.abc import Iterator
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


@dataclass(frozen=True, slots=True)
class Services:
    """Everything that runs; `work` holds the logs and vanishes at the end."""

    source_url: str
    replica_url: str
    shop: str
    publisher: Process
    replica: Process
    env: dict[str, str]
    servers: tuple[object, ...]

    def load_reference(self) -> None:
        """Load the reference data, with its progress bar on this terminal."""
        subprocess.run([*MANAGE, "load_reference"], cwd=ROOT, env=self.env, check=True)

    def check(self) -> None:
        """Raise local.process.DiedEarly when one of ours ended by itself."""
        for process in (self.publisher, self.replica):
            process.check()


PYTHON = (sys.executable, "-m")
MANAGE = (sys.executable, "manage.py")


@contextmanager
def services() -> Iterator[Services]:
    """All of it, migrated and running, for as long as the block runs."""
    with ExitStack() as stack:
        work = stack.enter_context(scratch("demo"))
        database = stack.enter_context(postgres(only="wheel", fsync=False))
        broker = stack.enter_context(kafka(only="wheel"))
        source_url = database.create_database("shop")
        replica_url = database.create_database("replica")
        env = environment(source_url, replica_url, broker.bootstrap_servers)
        prepare(env)
        [port] = free_ports(1)
        bind = f"{LOOPBACK}:{port}"
        web = [*PYTHON, "gunicorn", "--bind", bind, "--workers=2", f"--worker-tmp-dir={work}"]
        commands = {
            "web": [*web, "--no-control-socket", "examples.shop.wsgi"],
            "publisher": [*PYTHON, "publisher.cli", "run"],
            "replica": [*PYTHON, "examples.shop.replica"],
        }
        running = {
            name: stack.enter_context(child(command, work / f"{name}.log", env))
            for name, command in commands.items()
        }
        yield Services(
            source_url=source_url,
            replica_url=replica_url,
            shop=f"http://{bind}",
            publisher=running["publisher"],
            replica=running["replica"],
            env=env,
            servers=(database, broker),
        )


def environment(source_url: str, replica_url: str, bootstrap_servers: str) -> dict[str, str]:
    """What the processes are told; nothing of the caller's own settings for them."""
    inherited = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("PUBLISHER_", "DJANGO_", "GUNICORN_"))
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


def child(command: list[str], log: Path, env: dict[str, str]) -> Process:
    return Process(command, log=log, env=env, cwd=ROOT)

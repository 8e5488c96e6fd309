"""A file system of a bounded size, in memory, that a server can really run out of."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from local.ladder import Unavailable
from local.process import Process

SECONDS = 10

# The mount is seen in this namespace only, and vanishes with the last process that is in it.
NAMESPACE = ("unshare", "--user", "--map-user=1000", "--map-group=1000", "--keep-caps", "--mount")
MOUNT = 'mount -t tmpfs -o "size=$1" none "$2" && touch "$2/mounted" && exec sleep infinity'


class Volume:
    """The file system at `path`, for commands behind `words`; at `outside`, for us."""

    def __init__(self, path: Path, holder: int) -> None:
        self.path = path
        self.outside = Path(f"/proc/{holder}/root{path}")
        self.words = (
            "nsenter",
            f"--target={holder}",
            "--user",
            "--mount",
            "--preserve-credentials",
        )
        self._filler = self.outside / "filler"

    def fill(self) -> None:
        """Take what is left: writing more fails with ENOSPC."""
        with self._filler.open("ab", buffering=0) as filler:
            for size in (1 << 20, 1 << 12, 1):
                _write_until_full(filler.fileno(), bytes(size))

    def free(self) -> None:
        """Give back what `fill` took."""
        self._filler.unlink(missing_ok=True)


@contextmanager
def volume(path: Path, size: int) -> Iterator[Volume]:
    """A new file system of `size` bytes at `path`; Unavailable where mounting is forbidden."""
    path.mkdir()
    command: list[str | Path] = [*NAMESPACE, "sh", "-c", MOUNT, "mount", str(size), path]
    with Process(command, log=path.with_suffix(".log")) as holder:
        made = Volume(path, holder.pid or 0)
        _wait_for(made, holder)
        yield made


def _wait_for(made: Volume, holder: Process) -> None:
    deadline = time.monotonic() + SECONDS
    while not (made.outside / "mounted").exists():
        if not holder.running or time.monotonic() > deadline:
            raise Unavailable(f"no file system can be mounted at {made.path}: {holder.tail()}")
        time.sleep(0.01)


def _write_until_full(file: int, block: bytes) -> None:
    try:
        while os.write(file, block) == len(block):
            pass
    except OSError:
        return

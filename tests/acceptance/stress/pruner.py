"""Removes what is published at once, without a rest, for as long as a block runs."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import timedelta
from threading import Event, Thread

from publisher.adapters.retained import PostgresRetained
from publisher.pruning import Pruned, Pruner


class Pruning:
    """What was removed so far."""

    def __init__(self, url: str) -> None:
        self.rows = 0
        self._url = url
        self._ended = Event()

    def run(self) -> None:
        with closing(PostgresRetained(self._url, name="x", horizon=timedelta())) as rows:
            while not self._ended.wait(0.001):
                self.rows += self._once(rows).rows

    def _once(self, rows: PostgresRetained) -> Pruned:
        return Pruner(rest=lambda _: self._ended.is_set()).prune(rows)

    def end(self) -> None:
        self._ended.set()


@contextmanager
def pruning(url: str) -> Iterator[Pruning]:
    some = Pruning(url)
    thread = Thread(target=some.run, name="pruning")
    thread.start()
    try:
        yield some
    finally:
        some.end()
        thread.join()

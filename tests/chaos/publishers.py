"""The publisher processes, started again whenever they end, as an orchestrator does."""

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Self

from tests.acceptance import publishers


class Publisher(publishers.Publisher):
    """One process; `ended` are the codes with which it ended by itself."""

    def __init__(
        self, url: str, servers: str, folder: Path, module: Sequence[str], **env: str
    ) -> None:
        folder.mkdir()
        super().__init__(url, servers, folder, module, **env)
        self.ended: list[int] = []
        self._wanted = True

    def start(self) -> None:
        self._wanted = True
        self.process.start()

    def kill(self) -> None:
        self._wanted = False
        self.process.kill()

    def mend(self) -> None:
        """Start it again where it ended by itself."""
        if self._wanted and self.process.code is not None:
            self.ended.append(self.process.code)
            self.process.start()

    @property
    def answers(self) -> bool:
        """Whether it is up, so that a stop finds somebody who is polite."""
        try:
            return bool(self.ready())
        except OSError:
            return False

    @property
    def says_it_is_active(self) -> bool:
        try:
            return self.active
        except (OSError, AssertionError):
            return False


class Publishers:
    """One that is active, and any number that stand by."""

    def __init__(self, members: Sequence[Publisher]) -> None:
        self.all = members

    @property
    def active(self) -> Publisher:
        """The one that publishes; the first where that cannot be told."""
        return next((each for each in self.all if each.says_it_is_active), self.all[0])

    @property
    def ended(self) -> list[int]:
        return [code for each in self.all for code in each.ended]

    def mend(self) -> None:
        for each in self.all:
            each.mend()

    def stop(self) -> list[int | None]:
        return [each.process.stop() for each in self.all]

    def __enter__(self) -> Self:
        for each in self.all:
            each.start()
        return self

    def __exit__(self, *_: object) -> None:
        with ExitStack() as stack:
            for each in self.all:
                stack.callback(each.kill)

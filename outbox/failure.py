"""What keeps a transaction from being committed."""

from __future__ import annotations

import logging
import sys
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from django.db.backends.base.base import BaseDatabaseWrapper

logger = logging.getLogger("outbox")


@dataclass(frozen=True, slots=True)
class Failure:
    """The first event that could not be recorded, and where that was.

    It holds for the innermost of `savepoints` that were open, `blocks` counts those of atomic().
    """

    cause: BaseException
    savepoints: int
    blocks: int
    quoted: bool

    @classmethod
    def of(
        cls,
        connection: BaseDatabaseWrapper,
        cause: BaseException,
        *,
        savepoints: int,
        quoted: bool,
    ) -> Failure:
        blocks = connection.atomic_blocks
        # A TestCase rolls its own blocks back whatever happened: that is nothing to report.
        of_test = bool(blocks) and getattr(blocks[-1], "_from_testcase", False)
        return cls(cause, savepoints, 0 if of_test else len(blocks), quoted)

    def __str__(self) -> str:
        name = type(self.cause).__qualname__
        return f"{name}: {self.cause}" if self.quoted else name

    def within(self, savepoints: int) -> Failure:
        """The same, once no more than these savepoints are left."""
        return replace(self, savepoints=min(self.savepoints, savepoints))

    def report(self, connection: BaseDatabaseWrapper, what: str) -> None:
        """Say that `what` will be rolled back, where nothing else says so.

        That is where a block of atomic() ends and no exception leaves it.
        """
        if len(connection.atomic_blocks) < self.blocks and not self._is_leaving():
            logger.error(
                "an event could not be recorded and its exception was swallowed; %s will be "
                "rolled back: %s",
                what,
                self,
            )

    def _is_leaving(self) -> bool:
        """Whether an exception leaves a block, not one that was being handled around it all."""
        current = sys.exc_info()[1]
        return current is not None and not self._is_younger_than(current)

    def _is_younger_than(self, other: BaseException) -> bool:
        seen: set[int] = set()
        context = self.cause.__context__
        while context is not None and id(context) not in seen:
            if context is other:
                return True
            seen.add(id(context))
            context = context.__context__
        return False

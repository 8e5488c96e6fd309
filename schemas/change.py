"""What happened to a row of a captured model."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Generic, Literal, TypeVar, get_args

from pydantic import BaseModel

from schemas import limits
from schemas.errors import MissingKey, Unencodable
from schemas.event import Event
from schemas.scalars import quoted

T = TypeVar("T")


class Change(Event, Generic[T]):
    """A row was created, updated or deleted, or read by a backfill.

    `before` and `after` are the row's state on both sides of the change, None where it did not
    exist or is not known. `changed` names the fields that an update changed, None where that is
    not known. The `key` of its contract names a field of the state.
    """

    op: Literal["create", "update", "delete", "read"]
    before: T | None = None
    after: T | None = None
    changed: tuple[str, ...] | None = None

    @staticmethod
    def text(
        op: str,
        *,
        before: bytes | None = None,
        after: bytes | None = None,
        changed: Iterable[str] | None = None,
    ) -> bytes:
        """The canonical JSON of a change whose states are written already.

        `Unencodable` where that which is around a state makes it too deep for readers.
        """
        names = "null" if changed is None else f"[{','.join(map(quoted, changed))}]"
        text = b'{"op":"%s","before":%s,"after":%s,"changed":%s}' % (
            op.encode(),
            before or b"null",
            after or b"null",
            names.encode(),
        )
        if limits.is_too_deep(text):
            raise Unencodable(f"a change cannot be encoded: {limits.refusal(text)}; flatten it")
        return text

    @property
    def state(self) -> T:
        """The newest known state: `after`, or `before` of a delete."""
        state = self.before if self.after is None else self.after
        if state is None:
            raise MissingKey(f"a change {self.op!r} has neither before nor after; give it one")
        return state

    @classmethod
    def __key_fields__(cls) -> Collection[str] | None:
        for choice in get_args(cls.__pydantic_fields__["after"].annotation):
            if isinstance(choice, type) and issubclass(choice, BaseModel):
                return choice.__pydantic_fields__
        return None

    def __key_value__(self, key: str) -> object:
        state = self.state
        try:
            return state[key] if isinstance(state, Mapping) else getattr(state, key)
        except (KeyError, AttributeError):
            raise MissingKey("the state of the change has no such field; give it one") from None

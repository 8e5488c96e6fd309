"""How a model is captured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from pydantic import BaseModel

Protection = Literal["hash", "drop"]
Via = Literal["statement", "trigger"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """The arguments of `capture()` that choose what its events say."""

    key: str = "pk"
    fields: Sequence[str] | None = None
    exclude: Sequence[str] = ()
    contract: type[BaseModel] | None = None
    sensitive: Mapping[str, Protection] = field(default_factory=dict)
    before: bool = False
    skip_unchanged: bool = False
    refresh: bool = False
    via: Via = "statement"

    @property
    def needs_before(self) -> bool:
        """Whether an update has to know what the row held, whatever that costs."""
        return self.before or self.skip_unchanged

    def choice(self) -> str:
        """The arguments that choose among the columns, as they were given."""
        given = {
            "fields": self.fields,
            "exclude": self.exclude or None,
            "sensitive": self.sensitive or None,
        }
        return ", ".join(f"{name}={value!r}" for name, value in given.items() if value is not None)

    def fault(self) -> str | None:
        """Why these options cannot be taken together, and the cure."""
        ways = (self.fields is not None, bool(self.exclude), self.contract is not None)
        if sum(ways) > 1:
            return "fields=, exclude= and contract= each choose the fields; keep one of them"
        if fault := self._fault_of_names() or self._fault_of_sensitive():
            return fault
        if self.via not in ("statement", "trigger"):
            return f'via={self.via!r} is no way to capture; use "statement" or "trigger"'
        return self._fault_of_trigger() if self.via == "trigger" else None

    def _fault_of_names(self) -> str | None:
        for argument, names in (("fields", self.fields), ("exclude", self.exclude)):
            if isinstance(names, str):
                return f"{argument}={names!r} is one text; use a list, {argument}=[{names!r}]"
        return None

    def _fault_of_sensitive(self) -> str | None:
        if not isinstance(self.sensitive, Mapping):
            return (
                f"sensitive={self.sensitive!r} says no protection; use a dictionary such as "
                '{"email": "hash", "password": "drop"}'
            )
        for name, protection in self.sensitive.items():
            if protection not in ("hash", "drop"):
                return f'sensitive[{name!r}]={protection!r} is no protection; use "hash" or "drop"'
        return None

    def _fault_of_trigger(self) -> str | None:
        faults = {
            "a trigger cannot run the validators of contract=; choose columns with fields= or "
            "exclude=": self.contract is not None,
            "a trigger would need the key of the hash in the database; use "
            'sensitive={...: "drop"}, or drop via="trigger"': "hash" in self.sensitive.values(),
            "what another trigger sets later is an update of its own, which the trigger sees; drop "
            "refresh=True": self.refresh,
        }
        return next((fault for fault, found in faults.items() if found), None)

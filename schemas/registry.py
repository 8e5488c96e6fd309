"""Which class stands for which type and version."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING

from schemas.errors import DuplicateContract, UnknownContract

if TYPE_CHECKING:
    from schemas.event import Event

_classes: dict[tuple[str, int], type[Event]] = {}


def register(cls: type[Event]) -> None:
    """Make `cls` the class of its contract's type and version.

    The same module and name may come again, as on a reload: the newer class replaces the older.
    """
    contract = cls.__contract__
    known = _classes.setdefault((contract.type, contract.version), cls)
    if _address(known) != _address(cls):
        raise DuplicateContract(
            f"{contract} is claimed by {_address(known)} and by {_address(cls)}; "
            "give one of them another type or a higher version"
        )
    _classes[contract.type, contract.version] = cls


def lookup(type: str, version: int) -> type[Event]:  # noqa: A002 - the word of the class line
    """Return the class registered for a type and version; `UnknownContract` if there is none."""
    try:
        return _classes[type, version]
    except KeyError:
        raise UnknownContract(
            f"no contract is registered for {type} version {version!r}; {_hint(type, version)}"
        ) from None


def registered() -> tuple[type[Event], ...]:
    """Every registered class, in the order in which they came."""
    return tuple(_classes.values())


def _hint(type_name: str, version: int) -> str:
    versions = sorted(version for name, version in _classes if name == type_name)
    if versions:
        return f"registered are the versions {', '.join(map(str, versions))}"
    hint = (
        "import the module that defines its class, or declare one; for a captured model as "
        f"class RowChange(Change[RowState], type={type_name!r}, version={version!r})"
    )
    close = get_close_matches(type_name, {name for name, _ in _classes}, n=3)
    return f"{hint}, or did you mean {' or '.join(close)}?" if close else hint


def _address(cls: type[Event]) -> str:
    return f"{cls.__module__}.{cls.__qualname__}"

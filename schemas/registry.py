"""Which class stands for which type and version."""

from __future__ import annotations

from typing import TYPE_CHECKING

from schemas.errors import DuplicateContract, UnknownContract

if TYPE_CHECKING:
    from schemas.event import Event

_contracts: dict[tuple[str, int], type[Event]] = {}


def register(cls: type[Event]) -> None:
    contract = cls.__contract__
    known = _contracts.get((contract.type, contract.version))
    if known is not None and (known.__module__, known.__qualname__) != (
        cls.__module__,
        cls.__qualname__,
    ):
        raise DuplicateContract(
            f"{contract.type} version {contract.version}: {known!r} and {cls!r}"
        )
    _contracts[contract.type, contract.version] = cls


def lookup(type: str, version: int) -> type[Event]:  # noqa: A002
    """The class registered for a type and version; `UnknownContract` where there is none."""
    try:
        return _contracts[type, version]
    except KeyError:
        raise UnknownContract(f"{type} version {version}") from None

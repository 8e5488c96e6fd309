"""Something that happened: the base class of every contract."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import BaseModel, ConfigDict, GetCoreSchemaHandler, PydanticSchemaGenerationError
from pydantic_core import CoreSchema

from schemas import canonical, registry, rules
from schemas.contract import Contract
from schemas.errors import InvalidContract, MissingKey

if TYPE_CHECKING:
    from pydantic._internal._model_construction import ModelMetaclass
else:
    ModelMetaclass = type(BaseModel)


class _NoContract:
    """Hides the contract of a parent from its abstract subclasses."""

    def __get__(self, instance: object, owner: type) -> Contract:
        raise AttributeError  # pydantic would replace its message; see _explain


def _explain(cls: type, name: str) -> None:
    if name == "__contract__":
        raise AttributeError(
            f"{cls.__qualname__} has no contract, as its class line has no type; use a class with "
            'one, such as type="shop.order.placed"'
        )


class _EventType(ModelMetaclass):
    if not TYPE_CHECKING:  # else type checkers would accept any name

        def __getattr__(self, name: str) -> Any:
            _explain(self, name)
            return super().__getattr__(name)


class Event(BaseModel, metaclass=_EventType):
    """Base class of events, immutable; the class line is the contract.

        class OrderPlaced(
            Event, type="shop.order.placed", version=1, topic="shop.order-events", key="order_id"
        ):
            order_id: UUID
            total: Decimal

    A class line without `type` makes an abstract base, which is not registered and has no
    contract. Pydantic's own configuration may stand on the class line too. What is wrong with the
    class line or with the type of a field raises `InvalidContract` when the class is created.
    """

    # Frozen here, not on the class line: type checkers would then refuse every subclass.
    model_config = ConfigDict(
        frozen=True,
        allow_inf_nan=False,
        validate_default=True,
        ser_json_bytes="base64",
        val_json_bytes="base64",
    )

    if TYPE_CHECKING:
        __contract__: ClassVar[Contract]
    else:
        __contract__ = _NoContract()

        def __getattr__(self, name: str) -> Any:
            _explain(type(self), name)
            return super().__getattr__(name)

    def __init_subclass__(
        cls,
        *,
        type: str | None = None,  # noqa: A002 - the word of the class line
        version: int = 1,
        topic: str | None = None,
        key: str | None = None,
        **config: Any,
    ) -> None:
        # For type checkers: the fields are known to __pydantic_init_subclass__ only.
        try:
            super().__init_subclass__(**config)
        except TypeError as exc:
            raise InvalidContract(
                f"{cls.__qualname__}: {', '.join(config)} is not known on a class line; "
                f"use {', '.join(_KEYWORDS)} or a setting of pydantic"
            ) from exc

    @classmethod
    def __get_pydantic_core_schema__(
        cls, source: type[BaseModel], handler: GetCoreSchemaHandler, /
    ) -> CoreSchema:
        try:
            return handler(source)
        except PydanticSchemaGenerationError as exc:
            raise rules.unknown_type(cls, exc) from None

    @classmethod
    def __pydantic_init_subclass__(cls, **keywords: Any) -> None:
        own = {name: keywords.pop(name) for name in _KEYWORDS if name in keywords}
        super().__pydantic_init_subclass__(**keywords)
        if cls.__pydantic_generic_metadata__["origin"] is not None:
            return  # a parametrised generic keeps the contract of the class it came from
        if own.get("type") is None:
            cls.__become_abstract__(own)
        else:
            cls.__become_concrete__(Contract(**{"version": 1, **own}))

    @classmethod
    def __become_abstract__(cls, own: dict[str, Any]) -> None:
        if own:
            raise InvalidContract(
                f"{cls.__qualname__}: {', '.join(own)} without a type; a contract needs one, "
                f'such as class {cls.__name__}(..., type="shop.order.placed")'
            )
        cls.__contract__ = Event.__dict__["__contract__"]

    @classmethod
    def __become_concrete__(cls, contract: Contract) -> None:
        known = cls.__key_fields__()
        if contract.key is not None and known is not None and contract.key not in known:
            raise InvalidContract(
                f"{cls.__qualname__}: key={contract.key!r} names no field; "
                f"choose one of {', '.join(known) or 'its fields, it has none yet'}"
            )
        cls.__contract__ = contract
        if cls.__pydantic_complete__:
            canonical.serializer(cls)
        registry.register(cls)

    @classmethod
    def __key_fields__(cls) -> Collection[str] | None:
        """Names that `key` may have; None where they are not known before there is an event."""
        return cls.__pydantic_fields__

    def __key_value__(self, key: str) -> object:
        """Value of the field that `key` names."""
        try:
            return getattr(self, key)
        except AttributeError:
            raise MissingKey(
                "the event has no such field; build it through its class, which validates"
            ) from None


_KEYWORDS = ("type", "version", "topic", "key")

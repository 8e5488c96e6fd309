"""Something that happened: the base class of every contract."""

from __future__ import annotations

from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict

from schemas import registry
from schemas.contract import Contract
from schemas.errors import InvalidContract


class Event(BaseModel):
    """Base class of events; the class line is the contract.

    >>> class OrderPlaced(Event, type="shop.order.placed", version=1, topic="shop.order-events", key="order_id"):
    ...     order_id: int
    """

    model_config = ConfigDict(frozen=True, ser_json_bytes="base64", val_json_bytes="base64")

    __contract__: ClassVar[Contract]

    def __init_subclass__(
        cls,
        *,
        type: str | None = None,  # noqa: A002
        version: int = 1,
        topic: str | None = None,
        key: str | None = None,
        **config: Any,
    ) -> None:
        super().__init_subclass__(**config)

    @classmethod
    def __pydantic_init_subclass__(
        cls,
        *,
        type: str | None = None,  # noqa: A002
        version: int = 1,
        topic: str | None = None,
        key: str | None = None,
        **config: Any,
    ) -> None:
        super().__pydantic_init_subclass__(**config)
        if type is None:
            return
        cls.__contract__ = Contract(type=type, version=version, topic=topic, key=key)
        if key is not None and key not in cls.__pydantic_fields__:
            raise InvalidContract(f"{cls.__qualname__}: key={key!r} names no field")
        registry.register(cls)

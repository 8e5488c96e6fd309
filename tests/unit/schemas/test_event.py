from __future__ import annotations

from types import new_class
from typing import Any, ClassVar, Generic, TypeVar

import pytest
from pydantic import BaseModel, ConfigDict, ValidationError, create_model

from schemas import Contract, Event, encode, lookup
from schemas.errors import InvalidContract

T = TypeVar("T")


def declare(name: str = "Declared", **keywords: Any) -> type[Event]:
    def body(namespace: dict[str, Any]) -> None:
        namespace |= {"__annotations__": {"order_id": int}, "__module__": __name__}

    return new_class(name, (Event,), keywords, body)


def test_the_class_line_is_the_contract() -> None:
    class Placed(Event, type="test.placed", version=2, topic="shop.events", key="order_id"):
        order_id: int

    assert Placed.__contract__ == Contract("test.placed", 2, "shop.events", "order_id")
    assert str(Placed.__contract__) == "test.placed version 2"
    assert lookup("test.placed", 2) is Placed


def test_an_event_cannot_be_changed() -> None:
    class Fixed(Event, type="test.fixed"):
        order_id: int

    with pytest.raises(ValidationError, match="frozen"):
        Fixed(order_id=1).order_id = 2  # type: ignore[misc]


def test_a_class_line_without_a_type_makes_an_abstract_base() -> None:
    class Base(Event):
        order_id: int

    class Concrete(Base, type="test.concrete", key="order_id"):
        pass

    assert Concrete.__contract__.key == "order_id"
    assert not hasattr(Base, "__contract__")
    assert not hasattr(Base(order_id=1), "__contract__")


def test_an_abstract_base_says_that_it_has_no_contract() -> None:
    class Base(Event):
        pass

    for abstract in (Base, Base()):
        with pytest.raises(AttributeError, match=r"Base has no contract, as .*; use a class with"):
            _ = abstract.__contract__


def test_what_else_an_event_lacks_is_named_as_pydantic_does() -> None:
    class Open(Event, extra="allow"):
        pass

    unknown: dict[str, Any] = {"more": 1}
    assert Open(**unknown).more == 1  # type: ignore[attr-defined]
    for lacking in (Open, Open()):
        with pytest.raises(AttributeError, match="missing"):
            _ = lacking.missing  # type: ignore[union-attr]


def test_a_subclass_of_a_contract_does_not_inherit_it() -> None:
    class Parent(Event, type="test.parent"):
        pass

    class Child(Parent):
        pass

    assert not hasattr(Child, "__contract__")
    assert lookup("test.parent", 1) is Parent


@pytest.mark.parametrize("keyword", [{"version": 2}, {"topic": "shop"}, {"key": "order_id"}])
def test_a_version_topic_or_key_needs_a_type(keyword: dict[str, Any]) -> None:
    with pytest.raises(InvalidContract, match=f"Declared: {next(iter(keyword))} without a type"):
        declare(**keyword)


@pytest.mark.parametrize(
    "name",
    ["", "Shop.order", "shop order", ".order", "shop.", "shop..order", "1shop", "a\n", 5, ["a"]],
)
def test_a_type_is_lower_case_words_joined_by_dots(name: Any) -> None:
    with pytest.raises(InvalidContract, match=r"is not a type name; join lower case words"):
        declare(type=name)


@pytest.mark.parametrize("name", ["order", "test.order-line.v2_placed", "test.2fa"])
def test_dots_digits_hyphens_and_underscores_may_stand_in_a_type(name: str) -> None:
    assert declare(type=name).__contract__.type == name


@pytest.mark.parametrize("version", [0, -1, True, "1", 1.0, 2**31])
def test_a_version_counts_from_one(version: Any) -> None:
    with pytest.raises(InvalidContract, match=r"version=.* is not a version; count 1, 2, 3"):
        declare(type="test.version", version=version)


@pytest.mark.parametrize("topic", ["", ".", "..", "a b", "a/b", "ä", "a\n", "a" * 250, 5, b"a"])
def test_a_topic_is_a_name_that_kafka_accepts(topic: Any) -> None:
    with pytest.raises(InvalidContract, match=r"topic=.* is not a name that Kafka accepts"):
        declare(type="test.topic", topic=topic)


def test_a_key_names_a_field() -> None:
    with pytest.raises(InvalidContract, match=r"key='order' names no field; choose .*order_id"):
        declare(type="test.key", key="order")
    with pytest.raises(InvalidContract, match="it has none yet"):
        new_class("Empty", (Event,), {"type": "test.empty", "key": "id"})
    with pytest.raises(InvalidContract, match=r"test\.key: key=5 is not a name; name a field"):
        declare(type="test.key", key=5)


def test_a_class_that_is_no_contract_is_not_registered() -> None:
    with pytest.raises(InvalidContract):
        declare(type="test.unregistered", key="order")

    assert declare("Other", type="test.unregistered") is lookup("test.unregistered", 1)


def test_configuration_of_pydantic_may_stand_on_the_class_line() -> None:
    class Strict(Event, type="test.strict", extra="forbid", title="Closed"):
        order_id: int

    assert Strict.model_config["title"] == "Closed"
    with pytest.raises(ValidationError, match="Extra inputs are not permitted"):
        Strict(order_id=1, more=2)  # type: ignore[call-arg]


def test_a_keyword_that_no_one_knows_is_refused() -> None:
    with pytest.raises(InvalidContract, match="topci is not known on a class line; use type, ver"):
        declare(type="test.keyword", topci="shop")


def test_a_subclass_may_take_keywords_of_its_own() -> None:
    class Owned(Event):
        owner: ClassVar[str]

        def __init_subclass__(cls, *, owner: str, **keywords: Any) -> None:
            super().__init_subclass__(**keywords)
            cls.owner = owner

        @classmethod
        def __pydantic_init_subclass__(cls, **keywords: Any) -> None:
            keywords.pop("owner")
            super().__pydantic_init_subclass__(**keywords)

    class Sold(Owned, type="test.sold", owner="sales"):
        pass

    assert (Sold.owner, Sold.__contract__.type) == ("sales", "test.sold")


def test_a_parametrised_generic_keeps_its_contract_and_is_not_registered_again() -> None:
    class Wrapped(Event, Generic[T], type="test.wrapped", key="id"):
        id: int
        item: T

    parametrised = Wrapped[int]

    assert parametrised.__contract__ is Wrapped.__contract__
    assert lookup("test.wrapped", 1) is Wrapped
    assert encode(parametrised(id=1, item=2)) == b'{"id":1,"item":2}'


def test_a_parametrised_generic_can_be_the_base_of_a_contract() -> None:
    class Box(Event, Generic[T]):
        item: T

    class IntBox(Box[int], type="test.box", key="item"):
        pass

    assert lookup("test.box", 1) is IntBox
    assert not hasattr(Box[int], "__contract__")


def test_a_contract_can_be_made_at_run_time() -> None:
    made = create_model(
        "Made", __base__=Event, __cls_kwargs__={"type": "test.made", "key": "id"}, id=(int, ...)
    )

    assert made.__contract__ == Contract("test.made", 1, None, "id")


def test_fields_may_have_the_names_of_the_class_keywords() -> None:
    class Named(Event, type="test.named", key="key"):
        type: str
        version: int
        topic: str
        key: str

    event = Named(type="a", version=7, topic="b", key="c")
    assert Named.__contract__ == Contract("test.named", 1, None, "key")
    assert Named.model_validate_json(encode(event)) == event


def test_a_field_may_refer_to_a_class_that_comes_later() -> None:
    class Order(Event, type="test.later", key="customer"):
        customer: Customer

    class Customer(BaseModel):
        id: int

    Order.model_rebuild(_types_namespace={"Customer": Customer})
    assert encode(Order(customer=Customer(id=1))) == b'{"customer":{"id":1}}'


def test_defaults_are_validated_so_that_they_fit_the_contract() -> None:
    class Defaulted(Event, type="test.defaulted"):
        total: float = "1.5"  # type: ignore[assignment]

    assert Defaulted().total == 1.5


def test_a_field_cannot_hold_nan() -> None:
    class Weighed(Event, type="test.weighed"):
        weight: float

    with pytest.raises(ValidationError, match="finite"):
        Weighed(weight=float("nan"))


def test_a_subclass_may_extend_the_configuration() -> None:
    class Configured(Event, type="test.configured"):
        model_config = ConfigDict(title="Configured")

        raw: bytes

    event = Configured(raw=b"\xff")
    assert Configured.model_config["frozen"]
    assert Configured.model_validate_json(encode(event)) == event

"""A class whose events it could not read back is no contract."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import InitVar, dataclass
from datetime import date
from enum import Enum, IntEnum, StrEnum
from typing import Annotated, Any, Literal, NotRequired

import pydantic
import pytest
from pydantic import (
    AliasChoices,
    AliasPath,
    BaseModel,
    ConfigDict,
    Field,
    Json,
    PlainSerializer,
    Secret,
    SecretStr,
    computed_field,
    create_model,
    model_validator,
)
from typing_extensions import TypedDict

from schemas import Change, Event, encode
from schemas.errors import InvalidContract, UnknownContract
from schemas.registry import lookup


class Reader(BaseModel):
    """Reads bytes as UTF-8, which is pydantic's own choice."""

    raw: bytes = b"\xff"


@dataclass
class Record:
    """Takes the configuration of the event that it is in."""

    raw: bytes


@pydantic.dataclasses.dataclass
class OwnRecord:
    """Has a configuration of its own."""

    raw: bytes


class Base64Reader(BaseModel):
    model_config = ConfigDict(ser_json_bytes="base64", val_json_bytes="base64")

    raw: bytes


class Day(Enum):
    FIRST = date(2026, 1, 1)


class Number(Enum):
    ONE = 1


class IntNumber(IntEnum):
    ONE = 1


class Word(StrEnum):
    YES = "yes"


class Post:
    """A row, as of a model of Django."""


class Polymorphic(BaseModel, polymorphic_serialization=True):
    pass


@dataclass
class Squared:
    """Needs what it does not write."""

    side: InitVar[int]


class Sparse(TypedDict):
    note: NotRequired[Annotated[str, Field(exclude_if=lambda note: not note)]]


def summing_model(config: ConfigDict) -> type:
    class Sum(BaseModel):
        model_config = config

        @computed_field  # type: ignore[prop-decorator]
        @property
        def total(self) -> int:
            return 1

    return Sum


def summing_dataclass(config: ConfigDict) -> type:
    @pydantic.dataclasses.dataclass(config=config)
    class Sum:
        @computed_field  # type: ignore[prop-decorator]
        @property
        def total(self) -> int:
            return 1

    return Sum


def contract(annotation: Any, **field: Any) -> type[Event]:
    made: type[Event] = create_model(
        "Order",
        __base__=Event,
        __cls_kwargs__={"type": "test.ruled"},
        field=(annotation, Field(**field)),
    )
    return made


@pytest.mark.parametrize(
    ("annotation", "message"),
    [
        (Reader, "Reader.raw is bytes, written as base64, but its class reads UTF-8"),
        (list[Reader | None], "Reader.raw is bytes"),
        (dict[str, OwnRecord], "OwnRecord.raw is bytes"),
        (SecretStr, "Order.field is a secret, written as asterisks; leave it out of the event"),
        (list[Secret[int]], "Order.field is a secret"),
        (Json[int], "Order.field is Json, written as JSON but read as text; use the type inside"),
        (Iterable[int], "Order.field can be read once only; use list or tuple"),
        (Callable[[], int], "Order.field is a callable, which JSON does not have"),
        (Day, r"Order.field may be datetime.date\(2026, 1, 1\), which JSON does not give back"),
        (Literal[b"a"], r"Order.field may be b'a', which JSON does not give back; use a string"),
        (Literal[Number.ONE], "Order.field may be <Number.ONE: 1>, which JSON does not give back"),
        (dict[str | None, int], "Order.field has keys that JSON does not give back"),
        (dict[tuple[int, int], int], "Order.field has keys that JSON does not give back"),
        (dict[Number, int], "Order.field has keys that JSON does not give back"),
        (dict[Literal[1], int], "Order.field has keys that JSON does not give back"),
        (Squared, "Squared.side is excluded and has no default"),
        (list[Polymorphic], "Polymorphic is polymorphic, but an event has one shape; use a union"),
    ],
)
def test_a_type_that_cannot_be_read_back_makes_no_contract(annotation: Any, message: str) -> None:
    with pytest.raises(InvalidContract, match=message):
        contract(annotation)
    with pytest.raises(UnknownContract):
        lookup("test.ruled", 1)


@pytest.mark.parametrize(
    ("annotation", "value", "text"),
    [
        (Base64Reader, Base64Reader(raw=b"\xff"), '{"raw":"/w=="}'),
        (IntNumber, IntNumber.ONE, "1"),
        (Number, Number.ONE, "1"),
        (dict[IntNumber, int], {IntNumber.ONE: 2}, '{"1":2}'),
        (dict[Word, int], {Word.YES: 2}, '{"yes":2}'),
        (Literal[Word.YES, 1, None], Word.YES, '"yes"'),
        (Annotated[SecretStr, PlainSerializer(SecretStr.get_secret_value)], SecretStr("a"), '"a"'),
        (Record, Record(b"\xff"), '{"raw":"/w=="}'),
    ],
)
def test_a_type_that_can_be_read_back_makes_one(annotation: Any, value: Any, text: str) -> None:
    made = create_model("Order", __base__=Event, field=(annotation, ...))
    fields: dict[str, Any] = {"field": value}

    assert encode(made(**fields)).decode() == f'{{"field":{text}}}'


@pytest.mark.parametrize(
    ("field", "message"),
    [
        ({"serialization_alias": "id"}, "is written as 'id' and read as field; use alias='id'"),
        ({"validation_alias": "id"}, "is written as 'field' and read as id; use alias='field'"),
        ({"validation_alias": AliasPath("a", "b")}, "is written as 'field' and read as"),
        ({"validation_alias": AliasChoices("a", AliasPath("b", 0))}, "'field' and read as a;"),
        ({"exclude": True}, "is excluded and has no default: no one could read the event"),
        ({"exclude_if": bool}, "may be excluded and has no default: no one could read the event"),
    ],
)
def test_a_field_is_read_by_the_name_that_it_is_written_by(
    field: dict[str, Any], message: str
) -> None:
    with pytest.raises(InvalidContract, match=f"^Order.field .*{message}"):
        contract(int, **field)


@pytest.mark.parametrize(
    "field",
    [
        {"alias": "id"},
        {"serialization_alias": "b", "validation_alias": AliasChoices("a", "b")},
        {"exclude": True, "default": 1},
        {"exclude_if": bool, "default": 1},
    ],
)
def test_a_field_may_have_another_name_or_stay_at_home(field: dict[str, Any]) -> None:
    made: Any = create_model("Order", __base__=Event, field=(int, Field(**field)))
    event = made(**{field.get("alias", "a"): 1})

    assert made.model_validate_json(encode(event)) == event


def test_a_field_that_may_be_read_by_its_python_name_may_be_written_by_it() -> None:
    class Named(Event, validate_by_name=True):
        field: int = Field(validation_alias="id", serialization_alias="field")

    assert Named.model_validate_json(encode(Named(field=1))) == Named(field=1)


def test_an_alias_that_no_one_reads_is_not_the_name_of_a_field() -> None:
    class Nested(BaseModel, validate_by_alias=False, validate_by_name=True):
        field: int = Field(alias="id")

    with pytest.raises(
        InvalidContract,
        match=r"Nested\.field is written as 'id' and read as field; drop validate_by_alias=False",
    ):
        contract(Nested)


def test_a_member_of_a_typed_dict_that_may_be_absent_may_be_excluded() -> None:
    class Noted(Event, type="test.noted"):
        field: Sparse

    assert encode(Noted(field={"note": ""})) == b'{"field":{}}'
    assert Noted.model_validate_json(b'{"field":{}}') == Noted(field={})


@pytest.mark.parametrize("extra", ["forbid", "allow"])
@pytest.mark.parametrize("make", [summing_model, summing_dataclass])
def test_a_computed_field_needs_a_class_that_passes_over_it(
    make: Callable[[ConfigDict], Any], extra: Literal["allow", "forbid"]
) -> None:
    with pytest.raises(
        InvalidContract,
        match=f"Sum.total is computed and written, but extra='{extra}' keeps its class from",
    ):
        contract(make(ConfigDict(extra=extra)))


def test_a_computed_field_may_be_removed_before_it_is_refused() -> None:
    class Careful(Event, type="test.careful", extra="forbid"):
        field: int = 1

        @computed_field  # type: ignore[prop-decorator]
        @property
        def twice(self) -> int:
            return 2 * self.field

        @model_validator(mode="before")
        @classmethod
        def drop(cls, given: dict[str, int]) -> dict[str, int]:
            return {name: value for name, value in given.items() if name != "twice"}

    assert Careful.model_validate_json(encode(Careful(field=3))) == Careful(field=3)


@pytest.mark.parametrize("annotation", [Post, list[Post] | None, dict[str, Post]])
def test_a_row_is_sent_by_its_key(annotation: Any) -> None:
    with pytest.raises(
        InvalidContract,
        match=r"^Order.field holds Post, which JSON .*; send its key, such as post_id: int, or a",
    ):
        contract(annotation)


def test_a_change_holds_no_row() -> None:
    with pytest.raises(InvalidContract, match=r"^Change\[Post\].before holds Post, which JSON"):
        _ = Change[Post]


def test_a_row_deep_in_a_field_is_named_when_its_class_is_completed() -> None:
    class Late(Event, type="test.late-row"):
        line: Line

    @dataclass
    class Line:
        post: Post

    with pytest.raises(InvalidContract, match="Late holds Post, which JSON has no form for"):
        Late.model_rebuild(_types_namespace={"Line": Line})


def test_what_else_pydantic_makes_no_schema_of_is_told_in_its_words() -> None:
    with pytest.raises(InvalidContract, match=r"Odd: The type annotation for `__pydantic_extra__`"):

        class Odd(Event, extra="allow"):
            __pydantic_extra__: list[int]  # type: ignore[assignment]


def test_a_class_that_is_completed_later_is_checked_when_it_is_used() -> None:
    class Late(Event, type="test.late"):
        wrapper: Wrapper

    class Wrapper(BaseModel):
        reader: Reader

    Late.model_rebuild(_types_namespace={"Wrapper": Wrapper})
    with pytest.raises(InvalidContract, match=r"Reader\.raw is bytes"):
        encode(Late(wrapper=Wrapper(reader=Reader())))

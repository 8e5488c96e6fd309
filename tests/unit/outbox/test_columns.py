"""Columns that need no database to be shown."""

from typing import TYPE_CHECKING, Any

from django.db import models

from outbox.columns import AnyField, Kind, kind_of

if TYPE_CHECKING:
    TextField = models.TextField[str, str]
else:
    TextField = models.TextField


class Doubled(TextField):
    """A field that stores something else than what memory holds."""

    def get_prep_value(self, value: Any) -> str:
        return str(value) * 2

    def from_db_value(self, value: str, *args: object) -> str:
        return value[: len(value) // 2]


class Lookalike(AnyField):
    """Not derived from a text field, but stored as one."""

    def get_internal_type(self) -> str:
        return "TextField"


class JSONField(AnyField):
    """A stranger with a name of Django's."""


def kind(field: AnyField) -> Kind:
    found = kind_of(field)
    assert found is not None
    return found


def test_a_field_of_others_gives_what_it_stores() -> None:
    assert kind(Doubled())("abab") == "abab"


def test_a_field_counts_as_the_column_type_that_it_claims() -> None:
    assert kind(Lookalike()).annotation is str


def test_a_field_that_is_only_called_like_one_of_djangos_has_no_canonical_form() -> None:
    assert kind_of(JSONField()) is None


def test_nothing_stays_nothing() -> None:
    assert kind(models.JSONField())(None) is None

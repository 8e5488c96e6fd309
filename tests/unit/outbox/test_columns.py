"""Canonical values of columns that need no database to be shown."""

from typing import TYPE_CHECKING, Any

from django.contrib.postgres.fields import HStoreField
from django.db import models

from outbox.columns import AnyField, kind_of

if TYPE_CHECKING:
    TextField = models.TextField[str, str]
else:
    TextField = models.TextField


class Doubled(TextField):
    """A field that stores something else than what memory holds."""

    def get_prep_value(self, value: Any) -> str:
        return str(value) * 2


class Lookalike(AnyField):
    """Not derived from a text field, but stored as one."""

    def get_internal_type(self) -> str:
        return "TextField"


class JSONField(AnyField):
    """A stranger with a name of Django's."""


def canonical(field: AnyField, value: Any) -> Any:
    kind = kind_of(field)
    assert kind is not None
    return kind(value)


def test_a_mapping_of_texts_is_sorted_and_all_text() -> None:
    assert list(canonical(HStoreField(), {"b": 1, "a": None}).items()) == [("a", None), ("b", "1")]


def test_a_field_of_others_gives_what_it_stores() -> None:
    assert canonical(Doubled(), "ab") == "abab"


def test_a_field_counts_as_the_column_type_that_it_claims() -> None:
    assert canonical(Lookalike(), "ab") == "ab"


def test_a_field_that_is_only_called_like_one_of_djangos_has_no_canonical_form() -> None:
    assert kind_of(JSONField()) is None


def test_nothing_stays_nothing() -> None:
    assert canonical(models.DecimalField(max_digits=5, decimal_places=2), None) is None

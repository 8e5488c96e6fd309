from __future__ import annotations

from types import new_class
from typing import Any

import pytest

from schemas import Event, lookup
from schemas.errors import DuplicateContract, UnknownContract
from schemas.registry import registered


def declare(name: str, module: str = "shop.events", **keywords: Any) -> type[Event]:
    return new_class(
        name, (Event,), keywords, lambda namespace: namespace.update(__module__=module)
    )


def test_two_classes_cannot_claim_one_type_and_version() -> None:
    first = declare("First", type="test.claimed")

    with pytest.raises(DuplicateContract) as caught:
        declare("Second", type="test.claimed")

    assert str(caught.value) == (
        "test.claimed version 1 is claimed by shop.events.First and by shop.events.Second; "
        "give one of them another type or a higher version"
    )
    assert lookup("test.claimed", 1) is first


def test_a_module_that_is_loaded_again_replaces_its_classes() -> None:
    declare("Reloaded", type="test.reloaded")
    again = declare("Reloaded", type="test.reloaded")

    assert lookup("test.reloaded", 1) is again


def test_versions_of_one_type_live_side_by_side() -> None:
    first = declare("VersionOne", type="test.versions", version=1)
    second = declare("VersionTwo", type="test.versions", version=2)

    assert (lookup("test.versions", 1), lookup("test.versions", 2)) == (first, second)
    assert {first, second} <= set(registered())


def test_an_unknown_version_names_those_that_are_registered() -> None:
    declare("KnownOne", type="test.known", version=1)
    declare("KnownThree", type="test.known", version=3)

    with pytest.raises(UnknownContract, match=r"test.known version 2; registered .* versions 1, 3"):
        lookup("test.known", 2)


def test_an_unknown_type_names_similar_ones_and_says_to_import() -> None:
    declare("Similar", type="test.similar.order.placed")

    with pytest.raises(
        UnknownContract, match=r"import the module .* did you mean test.similar.order.placed"
    ):
        lookup("test.similar.order.paced", 1)


def test_an_unknown_type_says_how_a_consumer_declares_it() -> None:
    with pytest.raises(UnknownContract) as caught:
        lookup("zz.zzzzzzzzzz", 1)

    assert str(caught.value) == (
        "no contract is registered for zz.zzzzzzzzzz version 1; import the module that defines its "
        "class, or declare one; for a captured model as "
        "class RowChange(Change[RowState], type='zz.zzzzzzzzzz', version=1)"
    )

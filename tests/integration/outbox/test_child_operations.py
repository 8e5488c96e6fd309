"""Children by multi-table inheritance, while others interfere."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from contextvars import copy_context
from typing import Any

import pytest
from django.db import transaction
from django.db.models.signals import post_save, pre_save

from tests.app.models import Boat, Engine, Folder, Lorry, Motorboat, Node, Tug, Vehicle, Yacht
from tests.stored import operations, stored

pytestmark = pytest.mark.django_db(transaction=True)


@contextmanager
def receiving(receive: Callable[..., object], signal: Any = post_save) -> Iterator[None]:
    signal.connect(receive, sender=Lorry)
    try:
        yield
    finally:
        signal.disconnect(receive, sender=Lorry)


def states(topic: str) -> list[Any]:
    rows = [row.json for row in stored() if row.topic == topic and row.value]
    return [row["after"] or row["before"] for row in rows]


def test_a_receiver_that_fails_and_is_forgiven_takes_no_event_with_it() -> None:
    def fail(**kwargs: object) -> None:
        raise ValueError

    with receiving(fail), transaction.atomic(), suppress(ValueError):
        Lorry.objects.create(load=1)
    assert Lorry.objects.count() == 1
    assert operations("test.lorries") == operations("test.vehicles") == ["create"]


def test_what_a_receiver_of_pre_save_writes_is_recorded_though_the_save_fails() -> None:
    other = Lorry.objects.create(load=1)

    def write(**kwargs: object) -> None:
        Lorry.objects.filter(pk=other.pk).update(load=2)
        raise ValueError

    with receiving(write, pre_save), transaction.atomic(), suppress(ValueError):
        Lorry.objects.create(load=3)
    assert [state["load"] for state in states("test.lorries")] == [1, 2]


@pytest.mark.parametrize(
    ("write", "expected"),
    [
        (lambda lorry: Lorry.objects.filter(pk=lorry.pk).update(load=5), ["create", "update"]),
        (lambda lorry: Vehicle.objects.filter(pk=lorry.pk).update(wheels=5), ["create", "update"]),
        (lambda lorry: Lorry.objects.get(pk=lorry.pk).delete(), ["create", "delete", "tombstone"]),
        (lambda lorry: lorry.save(), ["create", "update"]),
    ],
    ids=["update", "update of the parent", "delete", "save"],
)
def test_what_a_receiver_does_comes_after_what_it_received(
    write: Callable[[Lorry], object], expected: list[str]
) -> None:
    def receive(instance: Lorry, created: bool, **kwargs: object) -> None:
        if created:
            write(instance)

    with receiving(receive):
        Lorry.objects.create(load=1)
    assert operations("test.lorries") == expected


def test_what_a_receiver_rolls_back_is_no_event() -> None:
    def receive(instance: Lorry, **kwargs: object) -> None:
        with suppress(ValueError), transaction.atomic():
            Lorry.objects.filter(pk=instance.pk).update(load=5)
            raise ValueError

    with receiving(receive):
        Lorry.objects.create(load=1)
    assert operations("test.lorries") == ["create"]


def test_what_a_receiver_leaves_for_later_is_recorded_then() -> None:
    contexts: list[Any] = []
    with receiving(lambda **kwargs: contexts.append(copy_context())):
        lorry = Lorry.objects.create(load=1)
    contexts[0].run(lambda: Lorry.objects.filter(pk=lorry.pk).update(load=42))
    assert [state["load"] for state in states("test.lorries")] == [1, 42]


def test_a_save_that_fails_half_way_leaves_nothing_open() -> None:
    with pytest.raises(ValueError, match="expected a number"):
        Lorry(load="many").save()
    Lorry.objects.create(load=1)
    Lorry.objects.update(load=2)
    assert [state["load"] for state in states("test.lorries")] == [1, 2]


def test_a_child_of_two_parents_has_the_columns_of_both() -> None:
    boat = Motorboat.objects.create(power=5, hull="oak", name="a")
    Engine.objects.update(power=6)
    Boat.objects.update(hull="elm")
    Yacht.objects.create(power=1, hull="tin", name="b").delete()
    boat.delete()
    assert operations("test.motorboats") == [
        *["create", "update", "update"],
        *["create", "delete", "tombstone", "delete", "tombstone"],
    ]
    assert states("test.motorboats")[-1] == {"power": 6, "hull": "elm", "name": "a"}
    assert states("test.motorboats")[-2] == {"power": 1, "hull": "tin", "name": "b"}


def test_a_parent_that_goes_first_is_remembered() -> None:
    folder = Folder.objects.create(label="a", size=3)
    folder.owner = folder
    folder.save()
    Node.objects.all().delete()
    assert operations("test.folders") == ["create", "update", "delete", "tombstone"]
    assert (states("test.folders")[-1]["label"], states("test.folders")[-1]["size"]) == ("a", 3)


def test_a_child_given_to_another_parent_leaves_the_old_one_as_it_was() -> None:
    lorry = Lorry.objects.create(wheels=6, load=1)
    vehicle = Vehicle.objects.create(wheels=4)
    Lorry.objects.filter(pk=lorry.pk).update(vehicle_ptr=vehicle)
    assert operations("test.lorries") == ["create", "delete", "tombstone", "create"]
    _, before, after = states("test.lorries")
    assert (before["wheels"], before["vehicle_ptr_id"]) == (6, lorry.pk)
    assert (after["wheels"], after["vehicle_ptr_id"]) == (4, vehicle.pk)


def test_more_children_than_a_query_reads_are_all_recorded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("outbox.reading.ROWS_PER_QUERY", 2)
    for load in range(5):
        Lorry.objects.create(load=load)
    Lorry.objects.update(load=9)
    assert operations("test.lorries") == ["create"] * 5 + ["update"] * 5


def test_a_grandchild_is_captured_with_all_its_tables() -> None:
    tug = Tug.objects.create(name="a", bollards=1, power=9)
    Engine.objects.update(power=10)
    Tug.objects.update(bollards=2, name="b")
    tug.delete()
    assert operations("test.tugs") == [
        *["create", "update", "delete", "tombstone", "create", "delete", "tombstone"]
    ]
    assert states("test.tugs")[-1] == {"name": "b", "bollards": 2}
    assert states("test.motorboats")[-1] == {"power": 10, "hull": "", "name": "b"}


def test_an_update_of_a_grandchild_is_one_change_of_its_captured_parent() -> None:
    Yacht.objects.create(name="a", power=1)
    Yacht.objects.update(name="b", power=2)
    assert operations("test.motorboats") == ["create", "update"]


def test_a_child_that_joins_a_parent_takes_no_key_from_anybody() -> None:
    boat = Motorboat.objects.create(name="a")
    columns = {field.attname: getattr(boat, field.attname) for field in boat._meta.concrete_fields}
    Tug(motorboat_ptr_id=boat.pk, **{**columns, "name": "b"}).save()
    assert operations("test.tugs") == ["create"]

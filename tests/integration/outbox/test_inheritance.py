"""Multi-table inheritance: one event for each logical change, on the model that was captured."""

import pytest
from django.core import serializers
from django.db import transaction

import outbox
from tests.app.models import Car, FastCar, Lorry, Place, Restaurant, Vehicle, VehicleView
from tests.stored import operations, stored
from tests.waiting import meanwhile

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_captured_parent_sees_creates_updates_and_deletes_of_its_children() -> None:
    car = Car.objects.create(wheels=4)
    car.wheels = 3
    car.save()
    car.delete()
    assert operations() == ["create", "update", "delete", "tombstone"]
    assert {row.topic for row in stored()} == {"test.vehicles"}
    assert [row.json["after"] for row in stored()[:2]] == [
        {"id": int(stored()[0].key), "wheels": 4},
        {"id": int(stored()[0].key), "wheels": 3},
    ]


def test_a_proxy_of_a_child_is_seen_too() -> None:
    car = FastCar.objects.create()
    car.save()
    car.delete()
    assert operations() == ["create", "update", "delete", "tombstone"]


def test_a_captured_child_and_its_captured_parent_have_one_event_each() -> None:
    lorry = Lorry.objects.create(wheels=6, load=40)
    lorry.load = 20
    lorry.save()
    lorry.delete()
    for topic in ("test.vehicles", "test.lorries"):
        assert operations(topic) == ["create", "update", "delete", "tombstone"]
    state = next(row.json["after"] for row in stored() if row.topic == "test.lorries")
    assert state == {"id": state["id"], "wheels": 6, "vehicle_ptr_id": state["id"], "load": 40}


def test_deleting_the_parent_deletes_the_child_first() -> None:
    Lorry.objects.create()
    Vehicle.objects.all().delete()
    deletes = [row for row in stored() if row.value and row.json["op"] == "delete"]
    assert [row.topic for row in deletes] == ["test.lorries", "test.vehicles"]


def test_deleting_through_a_proxy_of_the_parent_is_one_event_for_each_table() -> None:
    Lorry.objects.create()
    VehicleView.objects.all().delete()
    deletes = [row.topic for row in stored() if row.value and row.json["op"] == "delete"]
    assert sorted(deletes) == ["test.lorries", "test.vehicles"]


def test_keeping_the_parents_keeps_their_state() -> None:
    lorry = Lorry.objects.create()
    lorry.delete(keep_parents=True)
    assert operations("test.lorries") == ["create", "delete", "tombstone"]
    assert operations("test.vehicles") == ["create"]


def test_a_child_given_to_a_parent_that_exists_updates_the_parent() -> None:
    vehicle = Vehicle.objects.create(wheels=4)
    Car(vehicle_ptr=vehicle, wheels=2).save()
    Car(pk=vehicle.pk + 100, wheels=8).save()
    assert operations("test.vehicles") == ["create", "update", "create"]
    assert Vehicle.objects.get(pk=vehicle.pk).wheels == 2


def test_an_update_of_columns_of_the_child_alone_is_no_change_of_the_parent() -> None:
    car = Car.objects.create()
    car.doors = 3
    car.save(update_fields=["doors"])
    assert operations() == ["create"]
    car.wheels = 3
    car.save(update_fields=["doors", "wheels"])
    assert operations() == ["create", "update"]


def test_a_captured_child_of_an_uncaptured_parent_carries_the_columns_of_both() -> None:
    restaurant = Restaurant.objects.create(name="Zum Bären", stars=1)
    restaurant.delete()
    assert operations() == ["create", "delete", "tombstone"]
    assert stored()[1].json["before"]["name"] == "Zum Bären"
    assert stored()[1].json["before"]["stars"] == 1


def test_suppressing_a_parent_suppresses_its_children_and_not_the_other_way_round() -> None:
    with outbox.suppress(Vehicle):
        Lorry.objects.create().delete()
    assert stored() == []
    with outbox.suppress(Lorry):
        Lorry.objects.create().delete()
    assert {row.topic for row in stored()} == {"test.vehicles"}


def test_a_raw_save_of_a_child_takes_the_columns_of_the_parent_from_its_row() -> None:
    place = Place.objects.create(name="Zum Bären")
    fixture = f'[{{"model": "testapp.restaurant", "pk": {place.pk}, "fields": {{"stars": 2}}}}]'
    for loaded in serializers.deserialize("json", fixture):
        loaded.save()
    (row,) = stored()
    assert row.json["after"]["name"] == "Zum Bären"


def test_a_raw_save_of_a_child_is_no_change_of_its_parent() -> None:
    vehicle = Vehicle.objects.create(wheels=4)
    fixture = f'[{{"model": "testapp.car", "pk": {vehicle.pk}, "fields": {{"doors": 2}}}}]'
    for loaded in serializers.deserialize("json", fixture):
        loaded.save()
    assert operations() == ["create"]


def test_deferred_columns_of_the_parent_are_no_change_of_it() -> None:
    car = Car.objects.create(wheels=4)
    Car.objects.defer("wheels").get(pk=car.pk).save()
    assert operations("test.vehicles") == ["create"]


def test_a_parent_saved_as_such_is_a_change_of_its_captured_child() -> None:
    lorry = Lorry.objects.create(wheels=6, load=40)
    Vehicle.objects.filter(pk=lorry.pk).update(wheels=8)
    Vehicle.objects.create()
    assert operations("test.lorries") == ["create", "update"]
    change = [row.json["after"] for row in stored() if row.topic == "test.lorries"][-1]
    assert (change["wheels"], change["load"]) == (8, 40)


def test_many_children_are_read_and_deleted_in_few_queries() -> None:
    for load in range(5):
        Lorry.objects.create(load=load)
    Lorry.objects.update(load=9, wheels=2)
    Lorry.objects.all().delete()
    assert operations("test.lorries")[5:10] == ["update"] * 5
    states = [row.json["before"] for row in stored() if row.topic == "test.lorries" and row.value]
    assert [state and state["wheels"] for state in states[-5:]] == [2] * 5


def test_two_writers_of_one_child_leave_its_state_as_the_last_event() -> None:
    """One writes the table of the parent, the other that of the child."""
    lorry = Lorry.objects.create(wheels=4, load=1)
    with meanwhile(lambda: Lorry.objects.filter(pk=lorry.pk).update(load=7)):
        Vehicle.objects.filter(pk=lorry.pk).update(wheels=99)
    last = [row.json["after"] for row in stored() if row.topic == "test.lorries"][-1]
    assert (last["wheels"], last["load"]) == (99, 7)


def test_a_child_that_is_loaded_before_its_parent_is_created_with_it() -> None:
    fixture = """[{"model": "testapp.lorry", "pk": 500, "fields": {"load": 2}},
                  {"model": "testapp.vehicle", "pk": 500, "fields": {"wheels": 6}}]"""
    with transaction.atomic():
        for loaded in serializers.deserialize("json", fixture):
            loaded.save()
    assert operations("test.lorries") == ["create"]
    (state,) = [row.json["after"] for row in stored() if row.topic == "test.lorries"]
    assert (state["wheels"], state["load"]) == (6, 2)

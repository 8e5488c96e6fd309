"""Multi-table inheritance: one event for each logical change, on the model that was captured."""

import pytest
from django.core import serializers

import outbox
from tests.app.models import Car, FastCar, Lorry, Place, Restaurant, Vehicle, VehicleView
from tests.stored import operations, stored

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

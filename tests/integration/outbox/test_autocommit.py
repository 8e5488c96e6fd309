"""Outside a transaction Django sends `post_save` after its own commit; that gap is closed."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from typing import Any

import psycopg
import pytest
from asgiref.sync import async_to_sync
from django.core import serializers
from django.db import DatabaseError, connection, models, transaction
from django.db.models.signals import post_delete, post_save, pre_save
from django.test.utils import override_settings

import outbox
from local.scratch import ROOT
from outbox import buffer
from outbox.errors import AutocommitRefused
from tests.app.events import OrderPlaced, Said
from tests.app.models import Car, Line, Note, Order, UrgentOrder, Vehicle
from tests.stored import operations, said, stored

pytestmark = pytest.mark.django_db(transaction=True)

DIE_AT_THE_FLUSH = """
import os, signal, sys, django
django.setup()
import outbox
from django.db.models.signals import post_save
from outbox.buffer import Buffer
from tests.app.events import Said
from tests.app.models import Note, Order

@outbox.receiver(post_save, sender=Note)
def noted(**kwargs):
    return Said(who="me", what="a")

Buffer._insert = lambda self, rows, **kwargs: os.kill(os.getpid(), signal.SIGKILL)
exec(sys.argv[1])
"""


@pytest.mark.parametrize("write", ["Order.objects.create(number='1')", "Note.objects.create()"])
def test_a_process_killed_between_row_and_event_leaves_neither(write: str) -> None:
    name = connection.settings_dict["NAME"]
    url = (
        f"postgresql://{connection.settings_dict['USER']}:{connection.settings_dict['PASSWORD']}"
        f"@{connection.settings_dict['HOST']}:{connection.settings_dict['PORT']}/{name}"
    )
    done = subprocess.run(
        [sys.executable, "-c", DIE_AT_THE_FLUSH, write],
        cwd=ROOT,
        env={**os.environ, "DATABASE_URL": url, "DJANGO_SETTINGS_MODULE": "tests.settings"},
        capture_output=True,
        timeout=60,
    )
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert (Order.objects.count(), Note.objects.count(), stored()) == (0, 0, [])


def test_a_save_whose_event_cannot_be_written_is_undone(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*args: object) -> None:
        raise psycopg.OperationalError("no")

    monkeypatch.setattr(buffer.Buffer, "_insert", fail)
    with pytest.raises(DatabaseError):
        Order.objects.create(number="1")
    assert Order.objects.count() == 0


def test_every_way_to_save_or_delete_one_instance_is_in_a_transaction_with_its_event() -> None:
    with observed_blocks() as blocks:
        order = Order.objects.create(number="1")
        order.save()
        UrgentOrder.objects.create(number="2")
        Car.objects.create()
        loaded = serializers.serialize("json", [order])
        for each in serializers.deserialize("json", loaded):
            each.save()
        order.delete()
        UrgentOrder.objects.all().delete()
    assert blocks == [True] * 7
    assert connection.get_autocommit()


def test_a_model_that_nobody_records_is_saved_without_a_transaction() -> None:
    with observed_blocks() as blocks:
        Note.objects.create()
    assert blocks == [False]


def test_a_model_that_only_a_receiver_records_is_in_a_transaction_too() -> None:
    @outbox.receiver(post_save, sender=Note)
    def note_saved(instance: Note, **kwargs: object) -> Said:
        return Said(who="note", what=instance.text)

    try:
        with observed_blocks() as blocks:
            Note.objects.create(text="x")
        assert blocks == [True]
        assert said() == ["x"]
    finally:
        post_save.disconnect(note_saved, sender=Note)
    with observed_blocks() as blocks:
        Note.objects.create(text="y")
    assert blocks == [False]


def test_asynchronous_saves_and_deletes_are_recorded() -> None:
    async def work() -> None:
        order = await Order.objects.acreate(number="1")
        await order.asave()
        await order.adelete()

    async_to_sync(work)()
    assert operations() == ["create", "update", "delete", "tombstone"]


def test_a_receiver_with_a_durable_block_raises_as_documented() -> None:
    def durable(**kwargs: object) -> None:
        with transaction.atomic(durable=True):
            pass

    post_save.connect(durable, sender=Order)
    try:
        with pytest.raises(RuntimeError, match="durable"):
            Order.objects.create(number="1")
    finally:
        post_save.disconnect(durable, sender=Order)
    assert Order.objects.count() == 0


class TestRequire:
    """OUTBOX_AUTOCOMMIT = "require": business code opens its own transactions."""

    @pytest.fixture(autouse=True)
    def _require(self) -> Iterator[None]:
        with override_settings(OUTBOX_AUTOCOMMIT="require"):
            yield

    def test_a_save_outside_a_transaction_is_refused_before_anything_is_written(self) -> None:
        with writes() as written, pytest.raises(AutocommitRefused, match=r"testapp.Order .*atomic"):
            Order.objects.create(number="1")
        assert written == []

    @override_settings(OUTBOX_CAPTURE_RAW=False)
    def test_a_raw_save_that_is_left_out_is_not_refused(self) -> None:
        Order(pk=1, number="1").save_base(raw=True)
        assert (Order.objects.count(), stored()) == (1, [])

    def test_a_delete_outside_a_transaction_is_refused_before_anything_is_written(self) -> None:
        with transaction.atomic():
            Order.objects.create(number="1").lines.create()
        for delete in (Order.objects.get().delete, Order.objects.all().delete):
            with writes() as written, pytest.raises(AutocommitRefused):
                delete()
            assert written == []

    def test_a_cascade_onto_a_captured_model_is_refused_too(self) -> None:
        with transaction.atomic():
            Order.objects.create(number="1").lines.create()
        with outbox.suppress(Order), pytest.raises(AutocommitRefused):
            Order.objects.all().delete()
        assert Line.objects.count() == 1

    def test_inside_a_transaction_all_is_as_usual(self) -> None:
        with transaction.atomic():
            order = Order.objects.create(number="1")
            order.delete()
        assert operations() == ["create", "delete", "tombstone"]

    def test_models_that_nobody_records_are_not_concerned(self) -> None:
        Note.objects.create().delete()
        Vehicle.objects.all().delete()


def test_events_of_receivers_are_in_the_transaction_of_the_row() -> None:
    @outbox.receiver([pre_save, post_save, post_delete], sender=Note)
    def both(instance: Note, **kwargs: object) -> OrderPlaced:
        return OrderPlaced(order_id=1, total=Decimal(1))

    try:
        Note.objects.create()
        Note.objects.all().delete()
    finally:
        for each in (pre_save, post_save, post_delete):
            each.disconnect(both, sender=Note)
    assert len(stored()) == 3


@contextmanager
def observed_blocks() -> Iterator[list[bool]]:
    """Whether each save and delete was in a transaction when its last signal came."""
    blocks: list[bool] = []

    def observe(sender: type[models.Model], **kwargs: Any) -> None:
        blocks.append(connection.in_atomic_block)

    post_save.connect(observe)
    post_delete.connect(observe, sender=Order)
    post_delete.connect(observe, sender=UrgentOrder)
    try:
        yield blocks
    finally:
        post_save.disconnect(observe)
        post_delete.disconnect(observe, sender=Order)
        post_delete.disconnect(observe, sender=UrgentOrder)


@contextmanager
def writes() -> Iterator[list[str]]:
    """Statements of the block that write."""
    written: list[str] = []

    def wrapper(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        if not sql.startswith("SELECT"):
            written.append(sql)
        return execute(sql, params, many, context)

    with connection.execute_wrapper(wrapper):
        yield written

"""A statement that writes very many rows."""

import os
import subprocess
import sys
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO

import pytest
from django.db import DataError, connection, transaction
from django.db.models import F
from django.test.utils import CaptureQueriesContext, override_settings

import outbox
from outbox import spool
from outbox.errors import EventTooLarge
from tests.app.models import Note, Order, Specimen
from tests.stored import stored

pytestmark = pytest.mark.django_db(transaction=True)

ROOT = Path(__file__).parents[3]
MANY = 2 * 1_000 + 1

PEAK = """
import pathlib, re, django
django.setup()
from tests.app.models import Specimen
Specimen.objects.filter(pk=0).update(text="warm")
status, refs = pathlib.Path("/proc/self/status"), pathlib.Path("/proc/self/clear_refs")
megabytes = lambda what: int(re.search(what + r":\\s*(\\d+)", status.read_text())[1]) // 1024
refs.write_text("5")  # the peak is now what it holds now
before = megabytes("VmRSS")
{write}
print(megabytes("VmHWM") - before)
"""


@pytest.fixture
def many() -> None:
    with outbox.suppress():
        Order.objects.bulk_create(Order(number=f"{number}", quantity=0) for number in range(MANY))


@pytest.fixture(params=[0, 1, 10])
def chunks_in_memory(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spool, "CHUNKS_IN_MEMORY", request.param)


@pytest.mark.usefixtures("many", "chunks_in_memory")
@pytest.mark.parametrize(
    ("write", "rows"),
    [
        (lambda: Order.objects.update(quantity=F("quantity") + 1), MANY),
        (lambda: Order.objects.all().delete()[0], 2 * MANY),
    ],
    ids=["update", "delete"],
)
def test_every_row_is_an_event_whether_rows_wait_in_memory_or_on_disk(
    write: Callable[[], int], rows: int
) -> None:
    keys = [str(pk) for pk in Order.objects.order_by("pk").values_list("pk", flat=True)]
    assert write() == MANY
    found = stored()
    assert len(found) == rows
    assert sorted({row.key for row in found}) == sorted(keys)


@pytest.mark.usefixtures("many")
def test_what_the_context_asks_the_database_for_is_asked_between_the_rows() -> None:
    with outbox.context(actor=lambda: Note.objects.count()):
        Order.objects.update(quantity=1)
    assert len(stored()) == MANY


@pytest.mark.usefixtures("many")
def test_a_statement_that_fails_undoes_all_rows_and_leaves_the_block_usable() -> None:
    with transaction.atomic():
        with pytest.raises(DataError), transaction.atomic():
            Order.objects.update(quantity=Decimal(1) / F("quantity"))
        Note.objects.create()
    assert (Note.objects.count(), stored()) == (1, [])


@pytest.mark.usefixtures("many")
def test_a_failure_leaves_no_file_open(monkeypatch: pytest.MonkeyPatch) -> None:
    files: list[IO[bytes]] = []

    def opened() -> IO[bytes]:
        files.append(TemporaryFile())  # noqa: SIM115 - who is asked for it closes it
        return files[0]

    monkeypatch.setattr(spool, "CHUNKS_IN_MEMORY", 1)
    monkeypatch.setattr(spool, "TemporaryFile", opened)
    with pytest.raises(EventTooLarge), override_settings(OUTBOX_MAX_EVENT_BYTES=10):
        Order.objects.update(quantity=1)
    assert [file.closed for file in files] == [True]


@pytest.mark.usefixtures("many")
def test_the_statement_is_one_and_is_seen_by_whoever_watches_django() -> None:
    with CaptureQueriesContext(connection) as queries, transaction.atomic():
        Order.objects.update(quantity=1)
    verbs = [query["sql"].split()[0] for query in queries]
    assert verbs == ["BEGIN", "UPDATE", "COPY", "COPY", "INSERT", "COMMIT"]
    assert 'SET "quantity" = 1' in queries[1]["sql"]


@pytest.mark.usefixtures("many")
def test_a_client_library_that_gives_no_chunks_gives_single_rows(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(spool, "_rows_at_once", lambda: 1)
    Order.objects.update(quantity=1)
    assert len(stored()) == MANY


@pytest.mark.usefixtures("many")
def test_a_pipeline_of_psycopg_is_left_alone() -> None:
    connection.ensure_connection()
    with connection.connection.pipeline():
        Order.objects.update(quantity=1)
    assert len(stored()) == MANY


@pytest.mark.parametrize(
    "write",
    ["Specimen.objects.update(whole=2)", "Specimen.objects.all()._raw_delete('default')"],
    ids=["update", "delete"],
)
def test_memory_does_not_grow_with_the_rows(write: str) -> None:
    with outbox.suppress():
        for _ in range(8):  # 40 MB
            Specimen.objects.bulk_create([Specimen(text="x" * 2_500)] * 2_000)
    assert peak_of(write) < 20


def peak_of(write: str) -> int:
    """Megabytes by which a process grows for a write."""
    settings = connection.settings_dict
    url = (
        f"postgresql://{settings['USER']}:{settings['PASSWORD']}@{settings['HOST']}:"
        f"{settings['PORT']}/{settings['NAME']}"
    )
    done = subprocess.run(
        [sys.executable, "-c", PEAK.format(write=write)],
        cwd=ROOT,
        env={**os.environ, "DATABASE_URL": url, "DJANGO_SETTINGS_MODULE": "tests.settings"},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return int(done.stdout)

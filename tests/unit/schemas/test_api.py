import importlib.metadata
import subprocess
import sys

import schemas


def test_the_front_door_has_exactly_these_names() -> None:
    assert sorted(schemas.__all__) == [
        "Change",
        "Contract",
        "Envelope",
        "Event",
        "Links",
        "SchemaError",
        "encode",
        "key_of",
        "lookup",
    ]
    assert all(hasattr(schemas, name) for name in schemas.__all__)


def test_the_distribution_has_the_version_of_the_package() -> None:
    assert importlib.metadata.version("django-outbox-bridge") == schemas.__version__


def test_a_consumer_needs_neither_django_nor_a_database_driver_nor_a_kafka_client() -> None:
    program = "import schemas, sys; print(*{name.partition('.')[0] for name in sys.modules})"
    loaded = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    ).stdout.split()

    assert "pydantic" in loaded
    assert not {"django", "psycopg", "kafka", "outbox", "publisher"} & set(loaded)

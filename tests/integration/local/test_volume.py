"""A disk that is really full, as a server meets it."""

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from local.cluster import PASSWORD, USER, cluster
from local.ladder import Unavailable
from local.ports import LOOPBACK, free_ports
from local.postgres import Postgres
from local.volume import Volume, volume
from tests.needs import unmet

SIZE = 128 << 20


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Volume]:
    try:
        with volume(tmp_path / "disk", SIZE) as made:
            yield made
    except Unavailable as why:
        unmet(str(why))


def test_a_full_disk_takes_nothing_until_it_is_freed(disk: Volume) -> None:
    disk.fill()
    with pytest.raises(OSError, match="No space left"):
        (disk.outside / "more").write_bytes(b"x")
    disk.free()
    (disk.outside / "more").write_bytes(b"x")


def test_nothing_is_seen_outside_and_nothing_is_left(tmp_path: Path) -> None:
    try:
        with volume(tmp_path / "disk", SIZE) as made:
            (made.outside / "inside").touch()
            assert list(made.path.iterdir()) == []
    except Unavailable as why:
        unmet(str(why))
    assert not made.outside.exists()


def test_postgres_says_that_its_disk_is_full_and_goes_on_when_it_is_freed(disk: Volume) -> None:
    [port] = free_ports(1)
    url = f"postgresql://{USER}:{PASSWORD}@{LOOPBACK}:{port}/postgres"
    with cluster(port, fsync=True, disk=disk) as (process, data):
        process.start()
        Postgres(url, "wheel", process, data).wait()
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("CREATE TABLE kept (text text)")
            disk.fill()
            with pytest.raises(psycopg.errors.DiskFull):
                connection.execute(
                    "INSERT INTO kept SELECT repeat('x', 1000) FROM generate_series(1, 99)"
                )
            disk.free()
            connection.execute("INSERT INTO kept VALUES ('now')")

"""What other relays need of PostgreSQL."""

import psycopg
import pytest

from benchmarks.log import NotMeasured
from benchmarks.peers import debezium
from benchmarks.peers.compare import LOGICAL
from local.postgres import postgres


def test_a_server_of_ours_takes_the_settings_that_it_is_given() -> None:
    with postgres(only="wheel", settings=LOGICAL) as server:
        with psycopg.connect(server.url) as connection:
            assert connection.execute("SHOW wal_level").fetchone() == ("logical",)
        debezium.require_logical(server.url)


def test_debezium_is_refused_where_there_is_no_logical_decoding(database_url: str) -> None:
    with pytest.raises(NotMeasured, match="wal_level=logical, not replica"):
        debezium.require_logical(database_url)

"""Other relays are run at fixed versions, apart from us, and send what ours sends."""

import re
import sys
from pathlib import Path

import pytest

from benchmarks.floor import record
from benchmarks.log import NotMeasured
from benchmarks.peers import debezium, environment
from benchmarks.peers.python_relays import PEERS
from local.interpreters import Interpreter
from local.scratch import ROOT

PINS = (ROOT / environment.CONSTRAINTS).read_text().splitlines()


def test_each_line_pins_one_package_and_names_no_address() -> None:
    assert [line for line in PINS if not re.fullmatch(r"[A-Za-z0-9._-]+==[0-9.]+", line)] == []


def test_each_of_the_others_is_pinned() -> None:
    pinned = {line.split("==")[0] for line in PINS}
    assert {peer.packages[0].split("[")[0] for peer in PEERS} <= pinned


def test_none_of_the_others_is_in_our_own_environment() -> None:
    ours = (ROOT / "pyproject.toml").read_text() + (ROOT / "constraints.txt").read_text()
    for peer in PEERS:
        assert peer.packages[0].split("[")[0] not in ours


def test_debezium_sends_as_many_headers_as_ours_of_the_same_names() -> None:
    ours = {name for name, _ in record("topic", 1).headers}
    placed = debezium.OUTBOX["transforms.outbox.table.fields.additional.placement"]
    columns = {place.split(":")[2] for place in placed.split(",")}
    constants = {header for header, _ in debezium.CONSTANT_HEADERS.values()}
    # The router calls the id of an event so, whatever is asked for.
    assert len(ours) == 9
    assert columns | constants | {"id"} == ours - {"ce_id"} | {"id"}


def test_each_transform_of_the_connector_is_set_up() -> None:
    settings = debezium.connector()
    for name in settings["transforms"].split(","):
        assert f"transforms.{name}.type" in settings


def test_without_a_python_that_is_new_enough_it_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = Interpreter((3, 11, 0), Path(sys.executable))
    monkeypatch.setattr(environment, "HOME", tmp_path)
    monkeypatch.setattr(environment, "interpreters", lambda: {"3.11": old})
    with pytest.raises(NotMeasured, match=r"some-relay need Python 3\.12"):
        environment.python_with("some-relay")

"""The short form of `make chaos`, and the faults of publishers that it has to find."""

import os
import random
import re
import sys
from contextlib import suppress
from pathlib import Path
from subprocess import TimeoutExpired
from typing import NamedTuple

import pytest

from local.process import Process
from local.scratch import ROOT
from tests.chaos.plan import REPEATED
from tests.needs import unmet

SECONDS = 580
SECONDS_OF_A_MUTANT = 120
ONE_BY_ONE = "PUBLISHER_KAFKA_CONFIG__MAX_IN_FLIGHT_REQUESTS_PER_CONNECTION"
"""What a frozen broker has in its socket it takes when it wakes; the rest waits in the
publisher."""

CLIENTS = ("kafka-python", "librdkafka")
CUT = ("--only", "connection-cut", "--times", "6")
FROZEN_BROKERS = ("--only", "broker-frozen", "--times", "6", "--hold", "5")
"""With the seed of the test, each time for longer than the other two brokers wait for the third:
they acknowledge again, and what has to go to that one stays a gap."""

FROZEN_PUBLISHER = (
    *("--only", "publisher-frozen", "--times", "3", "--hold", "8"),
    *("--latency", "0.03"),  # seldom between two pages
)
"""With the seed of the test, for more than seven seconds each time: the other one takes over."""


class Said(NamedTuple):
    """What a run prints, and the figures of its last line."""

    code: int | None
    text: str

    @property
    def finished(self) -> bool:
        return self.last.startswith("chaos: mode=")

    @property
    def last(self) -> str:
        return self.text.splitlines()[-1] if self.text else ""

    @property
    def figures(self) -> dict[str, int]:
        assert self.finished, self.text
        return {name: int(value) for name, value in re.findall(r"(\w+)=(\d+)\b", self.last)}


def chaos(folder: Path, *options: str, seed: int, within: float = SECONDS, **env: str) -> Said:
    log = folder / "chaos.log"
    command = [sys.executable, "-m", "tests.chaos", "--short", *options]
    env = {**os.environ, "SEED": str(seed), **env}
    code = None
    with Process(command, log=log, env=env, cwd=ROOT) as process, suppress(TimeoutExpired):
        code = process.wait(within)
    said = Said(code, log.read_text())
    if "No way to have" in said.text:
        unmet(said.text)
    return said


def found(what: str, folder: Path, *options: str, seed: int, **env: str) -> Said:
    """The first of three runs, all of that seed, that ends in time and has found this.

    Whether records are in the air at a fault is luck, and some die of a slow machine.
    """
    for number in range(3):
        place = folder / str(number)
        place.mkdir()
        said = chaos(place, "--quiet", "5", *options, seed=seed, within=SECONDS_OF_A_MUTANT, **env)
        if said.finished and said.figures[what] > 0:
            break
    return said


@pytest.mark.timeout(600)
def test_no_kind_of_fault_loses_invents_or_inverts_an_event(tmp_path: Path) -> None:
    seed = int(os.environ.get("SEED") or random.SystemRandom().randrange(10**6))
    said = chaos(tmp_path, seed=seed)
    assert said.code == 0, said.text
    assert said.figures.items() >= {"lost": 0, "phantom": 0, "inverted": 0, "seed": seed}.items()
    assert said.figures["faults"] == len(REPEATED)
    assert all(re.search(rf"^{kind} +1 +\d", said.text, re.M) for kind in REPEATED)


@pytest.mark.timeout(600)
@pytest.mark.parametrize("client", CLIENTS)
def test_exactly_once_nothing_is_repeated_though_a_frozen_publisher_is_taken_over_and_wakes_up(
    tmp_path: Path, client: str
) -> None:
    mode = f"{client}/exactly-once"
    said = chaos(tmp_path, *FROZEN_PUBLISHER, seed=346, MODE=mode)
    assert said.code == 0, said.text
    assert said.text.count("taken over") == 3, said.text
    figures = {"faults": 3, "lost": 0, "phantom": 0, "inverted": 0, "duplicates": 0}
    assert said.figures.items() >= figures.items()


@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    ("mutant", "client", "options"),
    [
        ("stored-before-acknowledged", "kafka-python", CUT),
        ("counted-over-gaps", "kafka-python", FROZEN_BROKERS),
        ("counted-over-gaps", "librdkafka", FROZEN_BROKERS),
    ],
)
def test_a_publisher_whose_position_runs_ahead_loses_events_and_is_found(
    tmp_path: Path, mutant: str, client: str, options: tuple[str, ...]
) -> None:
    env = {"MODE": f"{client}/at-least-once", ONE_BY_ONE: "1"}
    options = ("--mutant", mutant, "--kills", "1", *options)
    said = found("lost", tmp_path, *options, seed=153, **env)
    assert said.code == 1, said.text
    assert said.figures["lost"] > 0, said.text
    assert said.figures["phantom"] == 0


@pytest.mark.timeout(600)
@pytest.mark.parametrize("client", CLIENTS)
def test_a_publisher_that_is_not_fenced_repeats_events_when_it_thaws_and_is_found(
    tmp_path: Path, client: str
) -> None:
    options = ("--mutant", "not-fenced", *FROZEN_PUBLISHER)
    said = found("duplicates", tmp_path, *options, seed=346, MODE=f"{client}/exactly-once")
    assert said.code == 1, said.text
    assert said.figures["duplicates"] > 0, said.text

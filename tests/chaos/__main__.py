"""Break everything again and again, and show that nothing is lost, invented or out of order.

The environment chooses: MODE is client/delivery, SEED repeats the sequence of the faults of a run.
"""

import argparse
import os
import random
import shutil
import signal
import sys
import time
from dataclasses import replace
from pathlib import Path

from local.ladder import NothingAvailable
from local.scratch import ROOT
from tests.acceptance.publishers import COMMAND
from tests.chaos.mode import DEFAULT, named, written
from tests.chaos.mutants import MODULE, MUTANTS
from tests.chaos.plan import FULL, LONG_HOLD, REPEATED, SHORT, Kind, planned
from tests.chaos.report import failures, last_line, table
from tests.chaos.run import Goal, Outcome, Result, run
from tests.chaos.site import Setting

TIMES, EVENTS, MINUTES = 15, 50_000, 60.0
QUIET = 75.0
"""Longer than a transaction that nobody ends hides what is behind it, and than a held topic waits
for its next try."""

FOR_EACH, FOR_EACH_SHORT = 100, 10
"""Events for each fault while faults come. A relay that only recovers delivers one, ours some 700
and 200: the pauses of the writers, more than the machine, say how many."""

LOGS = ROOT / ".local" / "chaos"


def main() -> int:
    options = _parser().parse_args()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    setting = _setting(options)
    faults = planned(setting.seed, options.only, options.times, options.pace, options.kills)
    for_each = FOR_EACH_SHORT if options.short else FOR_EACH
    goal = Goal(options.events, options.minutes * 60, for_each, options.quiet)
    print(f"mode={written(setting.mode)} seed={setting.seed} faults={len(faults)}", flush=True)
    try:
        result = run(setting, faults, goal, _Progress(len(faults)).tell)
    except NothingAvailable as why:
        shutil.rmtree(setting.folder)
        print(why)
        return 1
    except BaseException:
        print(f"not finished; logs: {setting.folder} seed={setting.seed}")
        raise
    wrong = list(failures(result, setting, goal, len(faults)))
    _report(result, setting, wrong)
    return 1 if wrong else 0


def _report(result: Result, setting: Setting, wrong: list[str]) -> None:
    print(*table(result), sep="\n")
    print(f"publishers that ended by themselves: {result.ended}")
    print(f"events that arrived while faults came: {result.arrived}; {result.seconds:.0f} s")
    if wrong:
        print(*wrong, f"logs: {setting.folder}", sep="\n")
    else:
        shutil.rmtree(setting.folder)
    print(last_line(result, setting), flush=True)


class _Progress:
    def __init__(self, faults: int) -> None:
        self._faults, self._number, self._started = faults, 0, time.monotonic()

    def tell(self, outcome: Outcome) -> None:
        self._number += 1
        at = time.monotonic() - self._started
        fault = outcome.fault
        also = " and publisher killed" if fault.kills else ""
        after = "nothing" if outcome.recovery is None else f"{outcome.recovery:.2f} s"
        after += ", taken over" if outcome.taken_over else ""
        print(
            f"{at:7.1f} {self._number}/{self._faults} {fault.kind}{also}, "
            f"luck {fault.luck:.3f}, for {outcome.lasted:.1f} s: {after}",
            flush=True,
        )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--short", action="store_true", help="each kind once, and quickly")
    parser.add_argument("--only", type=Kind, nargs="+", choices=list(Kind), metavar="KIND")
    parser.add_argument("--times", type=int, help="how often each kind comes")
    parser.add_argument("--hold", type=float, help="the longest time of a fault, seconds")
    parser.add_argument("--events", type=int, help="fewer than these fail the run")
    parser.add_argument("--minutes", type=float, default=MINUTES, help="the end, whatever happens")
    parser.add_argument("--quiet", type=float, default=QUIET, help="what is later is lost, seconds")
    parser.add_argument("--kills", type=float, default=0.25, help="part that kills publishers too")
    parser.add_argument("--publishers", type=int, default=2, help="one is active, others stand by")
    parser.add_argument("--latency", type=float, default=0.0, help="of the way to Kafka, seconds")
    parser.add_argument("--mutant", choices=list(MUTANTS), help="a publisher with this fault in it")
    return parser


def _setting(options: argparse.Namespace) -> Setting:
    """What is to run; also fills in what the options leave open."""
    seed = int(os.environ.get("SEED") or random.SystemRandom().randrange(10**6))
    options.pace, times, events = (SHORT, 1, 500) if options.short else (FULL, TIMES, EVENTS)
    mode = named(os.environ.get("MODE") or written(DEFAULT))
    options.pace = replace(options.pace, long=LONG_HOLD[mode.client])
    if options.hold:
        options.pace = replace(options.pace, hold=options.hold, frozen=options.hold)
    options.only = options.only or (REPEATED if options.short else tuple(Kind))
    options.times = options.times or times
    options.events = events if options.events is None else options.events
    return Setting(
        mode=mode,
        seed=seed,
        folder=_folder(seed),
        publishers=options.publishers,
        latency=options.latency,
        module=(MODULE, options.mutant) if options.mutant else COMMAND,
    )


def _folder(seed: int) -> Path:
    folder = LOGS / f"{time.strftime('%Y%m%d-%H%M%S')}-{seed}-{os.getpid()}"
    folder.mkdir(parents=True)
    return folder


if __name__ == "__main__":
    sys.exit(main())

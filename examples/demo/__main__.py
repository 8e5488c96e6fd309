"""Run the demo; the last line and the exit code say whether everything arrived."""

import signal
import sys
import time
from contextlib import closing

from rich.console import Console
from rich.live import Live

from examples.demo.arrivals import Arrivals
from examples.demo.comparison import Verdict, compare
from examples.demo.services import Services, own_environment, services
from examples.demo.traffic import ORDERS, Traffic

STARTUP = 20.0
PATIENCE = 40.0
REFRESH = 0.5
KILL_AFTER = ORDERS  # requests; about half of them

console = Console()


def main() -> int:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    started = time.monotonic()
    console.print("starting PostgreSQL, Kafka, shop, publisher and replica ...")
    with own_environment(), services() as running:
        for server in running.servers:
            console.print(f"  {server!r}", highlight=False)
        verdict = watched(running)
    console.print(f"took {time.monotonic() - started:.0f} s")
    explain(verdict)
    print(verdict, flush=True)
    return verdict.exit_code


def watched(running: Services) -> Verdict:
    """Play; unless all is well, show what the processes said last."""
    verdict = None
    try:
        verdict = play(running)
        return verdict
    finally:
        if verdict is None or not verdict.good:
            for name, process in running.processes.items():
                print(f"--- the end of the log of {name}:\n{process.tail()}")


def explain(verdict: Verdict) -> None:
    """What the last line means, and what it has no room for."""
    for topic in verdict.different:
        console.print(f"the rows of {topic} differ from those of the shop")
    if verdict.phantoms:
        console.print(f"{verdict.phantoms} delivered events were never recorded")
    console.print(
        "nothing may be missing or out of order, and the replica must equal the shop; "
        "duplicates are what the killed publisher sent again",
        soft_wrap=True,
    )


def play(running: Services) -> Verdict:
    """The whole story on running services."""
    with (
        closing(Traffic(running.shop)) as traffic,
        closing(Arrivals(running.source_url, running.replica_url)) as arrivals,
    ):
        traffic.wait(time.monotonic() + STARTUP)
        running.load_reference()
        with Live(arrivals.table(), console=console, auto_refresh=False) as live:
            trade(running, traffic, arrivals, live)
            settle(running, arrivals, live)
        if not console.is_terminal:
            console.line()  # a Live that cannot move the cursor leaves its last line open
    return compare(running.source_url, running.replica_url)


def trade(running: Services, traffic: Traffic, arrivals: Arrivals, live: Live) -> None:
    """All requests; the publisher dies after some of them and comes back a little later."""
    shown = 0.0
    for number, done in enumerate(traffic.requests()):
        if number == KILL_AFTER:
            running.publisher.kill()
            live.console.print("publisher killed with SIGKILL")
        if number == KILL_AFTER + 50:
            running.publisher.start()
            live.console.print("publisher started again")
        if time.monotonic() - shown > REFRESH:
            live.update(arrivals.table(done), refresh=True)
            shown = time.monotonic()


def settle(running: Services, arrivals: Arrivals, live: Live) -> None:
    """Wait until everything has arrived, or patience ends."""
    deadline = time.monotonic() + PATIENCE
    while not arrivals.complete() and time.monotonic() < deadline:
        running.check()
        live.update(arrivals.table("waiting for the rest"), refresh=True)
        time.sleep(REFRESH)
    live.update(arrivals.table("all requests done"), refresh=True)


if __name__ == "__main__":
    sys.exit(main())

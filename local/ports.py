"""Free ports of the loopback interface."""

import random
import socket
from contextlib import ExitStack

LOOPBACK = "127.0.0.1"

# Below what systems give to outgoing connections: a client that keeps trying to reach a stopped
# server on such a port can be given that very port, connects to itself and keeps the server out.
RANGE = range(15_000, 32_000)


def free_ports(count: int) -> list[int]:
    """Different ports that nobody listens on."""
    with ExitStack() as taken:
        return [_take(taken) for _ in range(count)]


def _take(taken: ExitStack) -> int:
    for port in random.sample(RANGE, 200):
        try:
            taken.enter_context(socket.socket()).bind((LOOPBACK, port))
        except OSError:
            continue
        return port
    raise OSError(f"No free port between {RANGE.start} and {RANGE.stop}.")

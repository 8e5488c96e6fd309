"""The network between the publishers and a server: it can be cut, delayed and throttled."""

import asyncio
import socket
import struct
import time
from collections.abc import Coroutine, Mapping
from contextlib import suppress
from threading import Thread
from typing import Any, Self

from local.ports import LOOPBACK

CHUNK = 4096
WAITING_CHUNKS = 256
TICK = 0.02
RESET = struct.pack("ii", 1, 0)

Chunk = tuple[float, bytes]


class Link:
    """Proxies from ports of ours to ports of the server; all of them share one weather.

    `delay` is in seconds for each direction, `rate` in bytes per second of each connection and
    direction; a change counts at once, also for what is on its way.
    """

    def __init__(self, routes: Mapping[int, int], *, delay: float = 0.0) -> None:
        self._routes = routes
        self._usual_delay = self.delay = delay
        self.rate: float | None = None
        self.connections = 0
        self._is_cut = False
        self._writers: set[asyncio.StreamWriter] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = Thread(target=self._loop.run_forever, daemon=True)

    def cut(self) -> None:
        """Reset every connection, and whoever connects until `mend`."""
        self._is_cut = True
        self._run(self._reset_all())

    def mend(self) -> None:
        """Let everything pass again, as fast as it comes."""
        self._is_cut, self.delay, self.rate = False, self._usual_delay, None

    def __enter__(self) -> Self:
        self._thread.start()
        self._servers = [self._run(self._listen(*route)) for route in self._routes.items()]
        return self

    def __exit__(self, *_: object) -> None:
        self._run(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _run(self, work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(30)

    async def _listen(self, port: int, target: int) -> asyncio.Server:
        async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            with suppress(asyncio.CancelledError):  # which asyncio would print at the end
                await self._serve(reader, writer, target)

        return await asyncio.start_server(accept, LOOPBACK, port)

    async def _close(self) -> None:
        for server in self._servers:
            server.close()
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._reset_all()

    async def _reset_all(self) -> None:
        for writer in list(self._writers):
            _reset(writer)

    async def _serve(
        self, reader: asyncio.StreamReader, client: asyncio.StreamWriter, target: int
    ) -> None:
        self.connections += 1
        self._writers.add(client)
        try:
            if not self._is_cut:
                await self._join(reader, client, target)
        except OSError:
            pass
        finally:
            _reset(client)
            self._writers.discard(client)

    async def _join(
        self, reader: asyncio.StreamReader, client: asyncio.StreamWriter, target: int
    ) -> None:
        answers, server = await asyncio.open_connection(LOOPBACK, target)
        self._writers.add(server)
        both = [
            asyncio.ensure_future(self._carry(reader, server)),
            asyncio.ensure_future(self._carry(answers, client)),
        ]
        try:
            await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in both:
                way.cancel()
            await asyncio.gather(*both, return_exceptions=True)
            server.close()
            self._writers.discard(server)

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One direction, until either end closes it."""
        waiting = asyncio.Queue[Chunk](WAITING_CHUNKS)
        taking = asyncio.ensure_future(_take(reader, waiting))
        try:
            while True:
                arrived, chunk = await waiting.get()
                await self._hold_back(arrived, len(chunk))
                if not chunk:
                    return
                writer.write(chunk)
                await writer.drain()
        finally:
            taking.cancel()

    async def _hold_back(self, arrived: float, size: int) -> None:
        while time.monotonic() < arrived + self.delay:
            await asyncio.sleep(min(TICK, self.delay))
        started = time.monotonic()
        while self.rate and time.monotonic() < started + size / self.rate:
            await asyncio.sleep(TICK)


async def _take(reader: asyncio.StreamReader, waiting: asyncio.Queue[Chunk]) -> None:
    """Fill the queue; an empty chunk is the end."""
    chunk = b"more"
    while chunk:
        try:
            chunk = await reader.read(CHUNK)
        except OSError:
            chunk = b""
        await waiting.put((time.monotonic(), chunk))


def _reset(writer: asyncio.StreamWriter) -> None:
    """End a connection as a lost one ends: what is on its way is gone."""
    connection = writer.get_extra_info("socket")
    if connection is not None and connection.fileno() >= 0:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    writer.transport.abort()

"""The sidecar's endpoints: `/healthz`, `/readyz` and `/metrics`."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from socketserver import ThreadingMixIn
from typing import TYPE_CHECKING
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from prometheus_client import CollectorRegistry, make_wsgi_app

from publisher.errors import ConfigurationInvalid
from publisher.health import Health
from publisher.telemetry import Metrics

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment


def application(health: Health, name: str) -> WSGIApplication:
    """The three endpoints as a WSGI application."""
    registry = CollectorRegistry()
    registry.register(Metrics(health, name))
    endpoints: dict[str, WSGIApplication] = {
        "/healthz": _endpoint(lambda: (health.alive, {"alive": health.alive})),
        "/readyz": _endpoint(lambda: (health.ready, _readiness(health))),
        "/metrics": make_wsgi_app(registry),
    }
    missing = _endpoint(lambda: (False, {"endpoints": sorted(endpoints)}), failure="404 Not Found")

    def route(environ: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
        return endpoints.get(environ["PATH_INFO"], missing)(environ, start)

    return route


def _readiness(health: Health) -> dict[str, object]:
    lag = health.lag_seconds
    return {
        "ready": health.ready,
        "waits_for": health.reason,
        "lag_seconds": None if lag is None else round(lag, 3),
        "lag_rows": health.lag_rows,
        "set_aside": health.parked,
    }


def _endpoint(
    answer: Callable[[], tuple[bool, dict[str, object]]],
    failure: str = "503 Service Unavailable",
) -> WSGIApplication:
    def app(environ: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
        good, body = answer()
        start("200 OK" if good else failure, [("Content-Type", "application/json")])
        return [json.dumps(body).encode() + b"\n"]

    return app


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class _ServerV6(_Server):
    address_family = socket.AF_INET6


class _Handler(WSGIRequestHandler):
    timeout = 10
    """Seconds: who connects and asks nothing holds a thread no longer."""

    def handle(self) -> None:
        with suppress(TimeoutError, ConnectionError):
            super().handle()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Probes come every few seconds; they are no news."""


class Sidecar:
    """Serves the endpoints in a thread until it is closed.

    Raises `ConfigurationInvalid` where the address cannot be bound.
    """

    def __init__(self, address: str, health: Health, name: str) -> None:
        host, _, port = address.rpartition(":")
        self._host = host.strip("[]")
        try:
            self._server = make_server(
                self._host,
                int(port),
                application(health, name),
                server_class=_ServerV6 if ":" in self._host else _Server,
                handler_class=_Handler,
            )
        except OSError as exc:
            raise ConfigurationInvalid(
                f"PUBLISHER_HTTP={address!r}: cannot listen there ({exc.strerror}); choose a free "
                "port, or port 0 for any"
            ) from exc
        threading.Thread(target=self._server.serve_forever, name="http", daemon=True).start()

    @property
    def address(self) -> str:
        """`host:port` as bound, the host of IPv6 in brackets."""
        host, port = self._server.server_address[:2]
        return f"[{host!s}]:{port}" if ":" in self._host else f"{host!s}:{port}"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

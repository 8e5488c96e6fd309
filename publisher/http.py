"""The sidecar's pages: `/healthz`, `/readyz` and `/metrics`."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterable
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
    """The three pages as a WSGI application."""
    registry = CollectorRegistry()
    registry.register(Metrics(health, name))
    pages: dict[str, WSGIApplication] = {
        "/healthz": _page(lambda: (health.alive, {"alive": health.alive})),
        "/readyz": _page(lambda: (health.reason is None, _readiness(health))),
        "/metrics": make_wsgi_app(registry),
    }
    missing = _page(lambda: (False, {"pages": sorted(pages)}), failure="404 Not Found")

    def route(environ: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
        return pages.get(environ["PATH_INFO"], missing)(environ, start)

    return route


def _readiness(health: Health) -> dict[str, object]:
    return {
        "ready": health.reason is None,
        "waits_for": health.reason,
        "lag_seconds": round(health.lag_seconds, 3),
        "lag_rows": health.lag_rows,
    }


def _page(
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


class _Silent(WSGIRequestHandler):
    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Probes come every few seconds; they are no news."""


class Pages:
    """Serves the pages in a thread until it is closed.

    Raises `ConfigurationInvalid` where the address cannot be bound.
    """

    def __init__(self, address: str, health: Health, name: str) -> None:
        host, _, port = address.rpartition(":")
        try:
            self._server = make_server(
                host.strip("[]"),
                int(port),
                application(health, name),
                server_class=_Server,
                handler_class=_Silent,
            )
        except OSError as exc:
            raise ConfigurationInvalid(
                f"PUBLISHER_HTTP={address!r}: cannot listen there ({exc.strerror}); choose a free "
                "port, or port 0 for any"
            ) from exc
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    @property
    def address(self) -> str:
        """`host:port` as bound."""
        host, port = self._server.server_address[:2]
        return f"{host!s}:{port}"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

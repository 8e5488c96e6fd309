"""Customers who place, pay, change and delete orders over HTTP."""

import random
import time
from collections.abc import Iterator
from itertools import cycle, islice

import httpx

from examples.demo.services import PASSWORD, USER

NAMES = (
    *("Zoë Müller", "José Álvarez", "李小龍", "Анна Каренина", "Siobhán Ó Briain"),
    *("محمد علي", "Đặng Thị Hà", "Gülşen Çelik", "Łukasz Żak", "佐藤 さくら"),
)
LABELS = ("gift", "fragile", "urgent")
CURRENCIES = ("EUR", "JPY", "MXN", "CHF", "TRY")
ORDERS = 150


class Traffic:
    """What the shop is asked to do, one request after the other."""

    def __init__(self, shop: str, *, seed: int = 1) -> None:
        # The shop runs on this machine: a proxy that the environment names does not lead there.
        self._client = httpx.Client(base_url=shop, timeout=10.0, trust_env=False)
        self._chance = random.Random(seed)

    def wait(self, deadline: float) -> None:
        """Return when the shop answers; httpx.TransportError at the deadline."""
        while True:
            try:
                self._client.get("/login")
                return
            except httpx.TransportError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.05)

    def requests(self) -> Iterator[str]:
        """Do all of it and say, one by one, what was done."""
        yield from self._log_in()
        customers = [self._register(name) for name in NAMES]
        yield f"{len(customers)} customers registered"
        yield from self._correct(customers[0])
        for number, customer in enumerate(islice(cycle(customers), ORDERS)):
            yield from self._order(number, customer)
        yield from self._leave(customers[-1])

    def close(self) -> None:
        self._client.close()

    def _log_in(self) -> Iterator[str]:
        for password, status in ((f"{PASSWORD}?", 401), (PASSWORD, 200)):
            self._ask("POST", "/login", {"username": USER, "password": password}, status)
            yield f"login answered with {status}"

    def _register(self, name: str) -> int:
        return self._ask("POST", "/customers", {"name": name, "country": "CH"}, 201)

    def _correct(self, customer: int) -> Iterator[str]:
        self._ask("PUT", f"/customers/{customer}", {"name": NAMES[0], "country": "li"}, 200)
        yield f"customer {customer} moved"

    def _leave(self, customer: int) -> Iterator[str]:
        self._ask("DELETE", f"/customers/{customer}", None, 204)
        yield f"customer {customer} left"
        self._ask("DELETE", f"/labels/{LABELS[0]}", None, 204)
        yield f"label {LABELS[0]} deleted"
        self._ask("POST", "/logout", {}, 204)
        yield "logged out"

    def _order(self, number: int, customer: int) -> Iterator[str]:
        total = f"{self._chance.randrange(100, 100_000) / 100:.2f}"
        wish = {"customer": customer, "total": total, "text": f"№ {number}"}
        order = self._ask(
            "POST", "/orders", {**wish, "currency": self._chance.choice(CURRENCIES)}, 201
        )
        yield f"order {order} placed"
        if number % 3 == 0:
            self._ask("PATCH", f"/orders/{order}", {"total": total, "text": "altered ✓"}, 200)
            yield f"order {order} changed"
        if number % 4 == 0:
            labels = self._chance.sample(LABELS, 2)
            self._ask("PUT", f"/orders/{order}/labels", {"labels": labels}, 200)
            yield f"order {order} labelled"
        if number % 5 != 0:
            self._ask("POST", f"/orders/{order}/payments", {"amount": total}, 200)
            yield f"order {order} paid"
        else:
            self._ask("DELETE", f"/orders/{order}", None, 204)
            yield f"order {order} deleted"

    def _ask(self, method: str, path: str, body: object, status: int) -> int:
        """Ask, insist on the status, and return the `id` of the answer, 0 without one."""
        answer = self._client.request(method, path, json=body)
        if answer.status_code != status:
            raise RuntimeError(f"{method} {path} answered {answer.status_code}: {answer.text}")
        return int(answer.json().get("id", 0)) if answer.content else 0

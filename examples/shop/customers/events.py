"""Who came, stayed and left; who came in, and who did not."""

import outbox


class CustomerRegistered(
    outbox.Event, type="shop.customer.registered", topic="shop.customer-events", key="customer_id"
):
    customer_id: int
    country: str


class CustomerCorrected(
    outbox.Event, type="shop.customer.corrected", topic="shop.customer-events", key="customer_id"
):
    customer_id: int


class CustomerMoved(
    outbox.Event, type="shop.customer.moved", topic="shop.customer-events", key="customer_id"
):
    customer_id: int
    before: str
    after: str


class CustomerLeaving(
    outbox.Event, type="shop.customer.leaving", topic="shop.customer-events", key="customer_id"
):
    customer_id: int
    orders: int


class CustomerLeft(
    outbox.Event, type="shop.customer.left", topic="shop.customer-events", key="customer_id"
):
    customer_id: int


class UserLoggedIn(
    outbox.Event, type="shop.user.logged-in", topic="shop.auth-events", key="username"
):
    username: str


class UserLoggedOut(
    outbox.Event, type="shop.user.logged-out", topic="shop.auth-events", key="username"
):
    username: str


class PasswordChanged(
    outbox.Event, type="shop.user.password-changed", topic="shop.auth-events", key="username"
):
    username: str


class LoginFailed(
    outbox.Event, type="shop.user.login-failed", topic="shop.auth-events", key="username"
):
    username: str
    """Of a user that exists, else "unknown": people type passwords into the wrong field."""

"""Who came in, and who did not."""

import outbox


class UserLoggedIn(
    outbox.Event, type="shop.user.logged-in", topic="shop.auth-events", key="username"
):
    username: str


class LoginFailed(
    outbox.Event, type="shop.user.login-failed", topic="shop.auth-events", key="username"
):
    username: str
    """Of a user that exists, else "unknown": people type passwords into the wrong field."""

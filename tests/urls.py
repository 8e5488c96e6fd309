"""Asking a server on this machine, past whatever proxy the environment names."""

import urllib.error
from urllib.request import ProxyHandler, build_opener


def get(url: str, timeout: float = 10.0) -> tuple[int, str]:
    """The status and the body, also of an error."""
    try:
        with build_opener(ProxyHandler({})).open(url, timeout=timeout) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as exc:
        return exc.code, exc.read().decode()

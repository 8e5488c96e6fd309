"""The variables `PUBLISHER_*` of the environment, and those that only look like settings."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from difflib import get_close_matches

PREFIX = "PUBLISHER_"
_CLIENT = f"{PREFIX}KAFKA_CONFIG__"

_OF_A_SERVICE = re.compile(
    r"_SERVICE_(HOST|PORT)(_\w+)?=|_PORT(_\d+_(TCP|UDP|SCTP))?=(tcp|udp|sctp)://"
    r"|_PORT_\d+_(TCP|UDP|SCTP)_(PORT|PROTO|ADDR)="
)
"""What Kubernetes sets where a service is called `publisher` or `publisher-...`."""


def unknown_variables(environ: Mapping[str, str], settings: Iterable[str]) -> Iterator[str]:
    """Name the variables that nobody reads, with what they may be meant to be."""
    known = [PREFIX + name.upper() for name in settings]
    for name in sorted(environ):
        upper = name.upper()
        if not upper.startswith(PREFIX) or upper in known or upper.startswith(_CLIENT):
            continue
        if not _OF_A_SERVICE.search(f"{upper}={environ[name]}"):
            yield f"{name} is no setting: {_advice(upper, known)}"


def _advice(name: str, known: Sequence[str]) -> str:
    if name.startswith(_CLIENT[:-1]):
        return f"write {_CLIENT}{name.removeprefix(_CLIENT[:-1])}"
    bare = [variable.removeprefix(PREFIX) for variable in known]
    nearest = get_close_matches(name.removeprefix(PREFIX), bare, n=1)
    return f"write {PREFIX}{nearest[0]}, or remove it" if nearest else "remove it"

"""Which client delivers, and how, as in `kafka-python/at-least-once`."""

from benchmarks.modes import MODES, Mode, refusal

EXACTLY_ONCE = "exactly-once"
DEFAULT = Mode("kafka-python", EXACTLY_ONCE)
CHOICES = {f"{mode.client}/{mode.delivery}": mode for mode in MODES}


def named(text: str) -> Mode:
    """The mode of that name; SystemExit says why there is none."""
    if text not in CHOICES:
        raise SystemExit(f"MODE={text!r} is none of {', '.join(CHOICES)}: write one of them")
    why = refusal(CHOICES[text])
    if why:
        raise SystemExit(f"MODE={text}: {why}")
    return CHOICES[text]


def written(mode: Mode) -> str:
    return f"{mode.client}/{mode.delivery}"

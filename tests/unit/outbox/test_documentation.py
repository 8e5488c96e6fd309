"""The reference names everything there is."""

import re
from pathlib import Path

import outbox
from local.scratch import ROOT
from outbox import bypasses, checks, conf, errors, trigger_checks

REFERENCE = (ROOT / "docs" / "reference" / "django.md").read_text()
MODULES = (checks, bypasses, trigger_checks)


def test_every_setting_is_documented_and_none_else() -> None:
    assert set(re.findall(r"^\| `(OUTBOX_\w+)`", REFERENCE, re.MULTILINE)) == conf.NAMES


def test_every_check_is_documented_and_none_else() -> None:
    source = "".join(Path(str(each.__file__)).read_text() for each in MODULES)
    known = set(re.findall(r'"(outbox\.[EW]\d+)"', source))
    assert set(re.findall(r"^\| `(outbox\.[EW]\d+)`", REFERENCE, re.MULTILINE)) == known


def test_every_public_name_is_documented() -> None:
    documented = set(re.findall(r"^\| `outbox\.(\w+)", REFERENCE, re.MULTILINE))
    assert set(outbox.__all__) <= documented


def test_every_error_is_documented() -> None:
    known = {name for name, each in vars(errors).items() if is_error(each)}
    assert len(known) > 10
    assert known - set(re.findall(r"`(?:outbox\.)?(\w+)`", REFERENCE)) == set()


def is_error(what: object) -> bool:
    return isinstance(what, type) and issubclass(what, outbox.OutboxError)

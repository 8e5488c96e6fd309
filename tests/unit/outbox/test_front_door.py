"""What `import outbox` gives, and when."""

import subprocess
import sys
from pathlib import Path

import pytest

import outbox
from local.scratch import ROOT


def run(code: str, *, cwd: Path = ROOT) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-c", code], cwd=cwd, capture_output=True, text=True, timeout=60
    )


def test_the_public_names_are_exact() -> None:
    assert sorted(outbox.__all__) == [
        "Event",
        "OutboxError",
        "capture",
        "capture_links",
        "context",
        "receiver",
        "record",
        "suppress",
    ]
    assert all(hasattr(outbox, name) for name in outbox.__all__)


def test_it_is_importable_before_django_is_configured_and_brings_no_model() -> None:
    done = run("import outbox, sys; assert 'outbox.models' not in sys.modules")
    assert done.returncode == 0, done.stderr


def test_a_package_of_the_users_called_schemas_is_named_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "schemas").mkdir()
    (tmp_path / "schemas" / "__init__.py").write_text("Event = None")
    done = run(f"import sys; sys.path.insert(0, {str(tmp_path)!r}); import outbox")
    assert done.returncode == 1
    assert done.stderr.strip().splitlines()[-1] == (
        f"outbox.errors.ShadowedPackage: the package 'schemas' at {tmp_path / 'schemas'} hides the "
        f"one of django-outbox-bridge at {ROOT / 'schemas'}; rename yours, or move it inside "
        "another package"
    )


def test_a_module_or_namespace_of_the_users_called_schemas_is_named_too(tmp_path: Path) -> None:
    (tmp_path / "schemas.py").write_text("Event = None")
    done = run(f"import sys; sys.path.insert(0, {str(tmp_path)!r}); import schemas, outbox")
    assert f"the package 'schemas' at {tmp_path / 'schemas.py'} hides" in done.stderr


def test_a_tree_whose_files_are_links_of_their_own_is_no_other_package(tmp_path: Path) -> None:
    for file in [*(ROOT / "outbox").rglob("*.py"), *(ROOT / "schemas").rglob("*.py")]:
        link = tmp_path / file.relative_to(ROOT)
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(file)

    done = run("import outbox; print(outbox.__file__)", cwd=tmp_path)
    assert (done.returncode, done.stdout.strip()) == (0, str(tmp_path / "outbox" / "__init__.py"))


def test_using_it_without_the_installed_application_says_what_to_add() -> None:
    done = run(
        "from django.conf import settings; settings.configure(INSTALLED_APPS=[], DATABASES={}); "
        "import django; django.setup(); from outbox import database; database.alias()"
    )
    assert "NotInstalled: add 'outbox' to INSTALLED_APPS" in done.stderr


@pytest.mark.parametrize(
    "call",
    [
        "outbox.capture(topic='a')(auth.User)",
        "outbox.capture_links(auth.User.groups, topic='a')",
    ],
)
def test_capturing_without_the_installed_application_is_refused_as_nothing_would_be(
    call: str,
) -> None:
    done = run(
        "from django.conf import settings; settings.configure(DATABASES={}, INSTALLED_APPS="
        "['django.contrib.contenttypes', 'django.contrib.auth']); import django; django.setup(); "
        f"from django.contrib.auth import models as auth; import outbox; {call}"
    )
    assert "NotInstalled: add 'outbox' to INSTALLED_APPS" in done.stderr

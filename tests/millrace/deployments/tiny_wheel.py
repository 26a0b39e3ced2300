"""A package that is in no index, made here."""

from __future__ import annotations

import base64
import zipfile
from hashlib import sha256
from pathlib import Path


def wheel(folder: Path, version: str) -> str:
    """A wheel of the package `tiny-millrace-test`, and the line of a lock that pins it."""
    info = f"tiny_millrace_test-{version}.dist-info"
    files = {
        "tiny_millrace_test.py": f"VERSION = {version!r}\n",
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: tiny-millrace-test\nVersion: {version}\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = ""
    for name, text in files.items():
        digest = base64.urlsafe_b64encode(sha256(text.encode()).digest()).rstrip(b"=").decode()
        record += f"{name},sha256={digest},{len(text)}\n"
    path = folder / f"tiny_millrace_test-{version}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as file:
        for name, text in {**files, f"{info}/RECORD": record + f"{info}/RECORD,,\n"}.items():
            file.writestr(name, text)
    return f"tiny-millrace-test=={version} \\\n    --hash=sha256:{sha256(path.read_bytes()).hexdigest()}\n"

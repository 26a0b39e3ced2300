"""Certificates of one test: an authority, and what it has signed. Made by openssl."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import NoReturn

import pytest


class Authority:
    """Signs certificates for this machine; its own is `file`."""

    def __init__(self, folder: Path, name: str) -> None:
        if shutil.which("openssl") is None:
            missing("openssl makes the certificates, and is not here")
        folder.mkdir(parents=True, exist_ok=True)
        self._folder, self._key = folder, folder / f"{name}.key"
        self.file = folder / f"{name}.crt"
        _openssl(
            *("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", f"/CN={name}"),
            *("-keyout", self._key, "-out", self.file),
        )

    def signed(self, name: str, names: str = "DNS:localhost") -> tuple[Path, Path]:
        """A certificate for these names, and its key."""
        certificate, key, asked = (self._folder / f"{name}.{ending}" for ending in ("crt", "key", "csr"))
        _openssl("req", "-newkey", "rsa:2048", "-nodes", "-subj", f"/CN={name}", "-keyout", key, "-out", asked)
        listed = self._folder / "names"
        listed.write_text(f"subjectAltName={names}\n")
        _openssl(
            *("x509", "-req", "-in", asked, "-CA", self.file, "-CAkey", self._key, "-CAcreateserial"),
            *("-days", "1", "-extfile", listed, "-out", certificate),
        )
        for file in (certificate, key):
            file.chmod(0o644)  # a server may run as another user than the test
        return certificate, key


def missing(what: str) -> NoReturn:
    """What a test needs is not here: skip on a laptop, fail where CI=true."""
    if os.environ.get("CI") == "true":
        pytest.fail(what, pytrace=False)
    pytest.skip(what)


def _openssl(*arguments: str | Path) -> None:
    subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True)

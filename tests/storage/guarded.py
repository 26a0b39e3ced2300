"""Stores that are guarded as docs/roles.md says: its users, their password here, and what a wrong address meets."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Protocol

import pytest

from storage.errors import StorageUnavailable
from storage.technology import Reads, Technology
from tests.contracts.model import unit
from tests.storage.certificates import Authority

ROLES = Path(__file__).parents[2] / "docs" / "roles.md"
WORKER, READER = "millrace_worker", "millrace_reader"
PASSWORD = "only-for-this-test"
PROBLEMS = ["authority", "host", "password", "user", "plain"]
"""What may be wrong with an address."""


class Guarded(Protocol):
    """A server with TLS alone, and passwords.

    Attributes:
        authority: has signed its certificate.
    """

    authority: Authority

    def url(self, user: str, password: str = PASSWORD, host: str = "localhost") -> str:
        """The address for a user, who trusts its authority."""


def wrong_url(guarded: Guarded, folder: Path, problem: str) -> str:
    """The worker's address, but for one of `PROBLEMS`."""
    right = guarded.url(WORKER)
    scheme, _, rest = right.partition("?")[0].partition("://")
    other = Authority(folder, "other").file if problem == "authority" else None
    urls = {
        "authority": right.replace(str(guarded.authority.file), str(other)),
        "host": guarded.url(WORKER, host="127.0.0.1"),  # which is not in the certificate
        "password": guarded.url(WORKER, "wrong-one"),
        "user": guarded.url("nobody"),
        "plain": f"{scheme.removesuffix('s')}://{rest}",
    }
    return urls[problem]


async def must_refuse(technology: Technology, reads: Reads, problem: str, denied: str) -> None:
    """Neither side, both by the `wrong_url` of a problem, may connect or tell a password; closes them.

    Args:
        denied: a pattern of what the server says to a wrong password.
    """
    with pytest.raises(StorageUnavailable) as written:
        technology.claim(unit(), "a")
    with pytest.raises(StorageUnavailable) as read:
        (await reads.listed()).sorted()
    for refused in (written, read):
        assert PASSWORD not in str(refused.value)
        assert "wrong-one" not in str(refused.value)
        if problem in ("authority", "host"):
            assert "certificate verify failed" in str(refused.value)
        if problem in ("password", "user"):
            assert re.search(denied, str(refused.value))
    await reads.close()
    technology.close()

"""A key of a models service that asks for one."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from serving.access import KeyFile
from serving.access.keys import Scope, minted


def made_key(file: Path, scope: Scope) -> str:
    """The secret of a key that is written to a file of keys, which is made if it is not there."""
    with KeyFile(file).edited() as keys:
        key, secret = minted(f"proof-{scope}", [scope], datetime.now(UTC))
        keys.append(key)
    return secret

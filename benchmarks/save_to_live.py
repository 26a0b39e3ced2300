"""Seconds from saving a changed implementation until the new code answers."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx

PATIENCE = 30.0


def save_to_live(
    file: Path, code: str, address: str, request: Mapping[str, Any], headers: Mapping[str, str] | None = None
) -> float:
    """Add code to a file of a product that is served, and ask its address until it answers.

    Raises:
        TimeoutError: it does not.
    """
    changed = file.read_text("utf-8") + code
    begun = time.monotonic()
    file.write_text(changed, "utf-8")
    while time.monotonic() - begun < PATIENCE:
        if httpx.post(address, json=request, headers=headers).status_code == 200:
            return time.monotonic() - begun
        time.sleep(0.01)
    raise TimeoutError(f"What was saved did not answer within {PATIENCE:.0f} s.")

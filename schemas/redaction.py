"""Addresses as people, logs and error messages may see them."""

from __future__ import annotations

import re

_SECRET = re.compile(r"([?&;][^=&;]*(?:password|secret|token)[^=&;]*=)[^&;]*", re.IGNORECASE)


def redacted(address: str) -> str:
    """An address without its passwords, whatever else is wrong with it: what may be part of one is hidden too."""
    scheme, slashes, rest = address.partition("://")
    who, at, where = rest.rpartition("@") if slashes else address.rpartition("@")
    if at:
        name, colon, _ = who.partition(":")
        who = f"{name}:***" if colon else name
        address = f"{scheme}{slashes}{who}@{where}" if slashes else f"{who}@{where}"
    return _SECRET.sub(r"\1***", address)

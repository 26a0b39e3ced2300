"""Addresses and fields of events as people, logs and error messages may see them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

_SECRET = re.compile(r"([?&;][^=&;]*(?:password|secret|token)[^=&;]*=)[^&;]*", re.IGNORECASE)
_SECRET_NAME = re.compile(r"password|passwd|secret|token|api_?key|credential", re.IGNORECASE)
HIDDEN = "***"


def redacted(address: str) -> str:
    """An address without its passwords, whatever else is wrong with it: what may be part of one is hidden too."""
    scheme, slashes, rest = address.partition("://")
    who, at, where = rest.rpartition("@") if slashes else address.rpartition("@")
    if at:
        name, colon, _ = who.partition(":")
        who = f"{name}:***" if colon else name
        address = f"{scheme}{slashes}{who}@{where}" if slashes else f"{who}@{where}"
    return _SECRET.sub(r"\1***", address)


def is_secret(name: str) -> bool:
    """Whether a field of this name holds what people should not see."""
    return _SECRET_NAME.search(name) is not None


def without_secrets(value: Any, name: str = "") -> Any:
    """A value of an event without what its field's name says to be secret, and without the passwords of addresses."""
    if value is not None and is_secret(name):
        return HIDDEN
    if isinstance(value, Mapping):
        return {key: without_secrets(item, str(key)) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [without_secrets(item) for item in value]
    return redacted(value) if isinstance(value, str) and "://" in value else value

"""A key that is twice in one object of JSON: nobody can tell which value is meant, and decoders take the last."""

from __future__ import annotations

import json
from typing import Any


class _Repeated(Exception):
    """An object has this key twice."""


def repeated_key(text: str) -> str | None:
    """The first key that an object has twice; None if there is none.

    Args:
        text: JSON that was read already, so that its nesting is known to be small.
    """
    try:
        _STRICT.decode(text)
    except _Repeated as error:
        return str(error)
    return None


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise _Repeated(key)
        found[key] = value
    return found


_STRICT = json.JSONDecoder(object_pairs_hook=_once, parse_int=str, strict=False)
"""All that it looks at is keys, however long numbers are."""

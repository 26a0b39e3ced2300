"""What an implementation says it has used, to be logged with its answer."""

from __future__ import annotations

import logging
from contextvars import ContextVar
from random import random
from typing import Any

import msgspec

LOGGER = logging.getLogger("millrace.answers")
LONGEST = 8_192
"""Bytes of features that are logged with one answer; of more nothing is."""
Feature = str | float | int | bool | None
_used: ContextVar[dict[str, Feature] | None] = ContextVar("features", default=None)
_complained: set[str] = set()


def log_features(**features: Feature) -> None:
    """Have these values logged with the answer that is being made, by an `async def` implementation: what the model was
    given, under the names that its training uses. Does not block, and never fails; called again it adds to them.

    `millrace skew` compares them with what the archive says of the same moment. Values are texts, numbers, truth
    values or None; where they take more than 8 KB nothing is logged of them, which is said once. Outside of an answer
    it does nothing that is seen.
    """
    _used.set({**(_used.get() or {}), **features})


def taken() -> dict[str, Feature] | None:
    """What was logged since the last call in this task; None = nothing."""
    found = _used.get()
    if found is not None:
        _used.set(None)
    return found


def as_json(features: dict[str, Feature], endpoint: str, share: float = 1.0) -> str | None:
    """Features as they are logged; None where this answer is not among those of which they are, or they do not fit."""
    if share < 1.0 and random() >= share:
        return None
    try:
        text = msgspec.json.encode(features, enc_hook=_plain)
    except (TypeError, ValueError, OverflowError) as error:
        _refuse(endpoint, str(error))
        return None
    if len(text) > LONGEST:
        _refuse(endpoint, f"they take {len(text):,} bytes, and {LONGEST:,} are logged")
        return None
    return text.decode()


def _refuse(endpoint: str, why: str) -> None:
    if endpoint not in _complained:
        _complained.add(endpoint)
        LOGGER.warning("Features of %s are not logged: %s. This is said once.", endpoint, why)


def _plain(value: Any) -> Any:
    """A number of numpy's as Python's."""
    item = getattr(value, "item", None)
    if item is None:
        raise TypeError(f"{type(value).__name__} is neither a text, a number, a truth value nor None")
    return item()

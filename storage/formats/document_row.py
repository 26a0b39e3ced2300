"""A document as a row: a JSON object in UTF-8, its fields text, numbers, truth values or lists of text. Pure."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

Field = str | int | float | bool | list[str]
Document = dict[str, Field]

_WORD = re.compile(r"[^\W_]+")
EXACT = 2**53
"""The largest integer that every reader of JSON tells from its neighbours."""


def row_of(document: Mapping[str, Any], fields: Sequence[str]) -> bytes:
    """A document as it is stored: in the order of its fields, without those that are None.

    Raises:
        ValueError: what cannot be held, in words.
    """
    if unknown := [str(name) for name in document if name not in fields]:
        raise ValueError(f"it has {', '.join(unknown)}, and its fields are {', '.join(fields)}")
    held = {name: document[name] for name in fields if document.get(name) is not None}
    for name, value in held.items():
        if not _can_be_held(value):
            raise ValueError(f"its {name} is {value!r}, which is no text, no exact number and no list of texts")
    try:
        return msgspec.json.encode(held)
    except UnicodeEncodeError as error:
        raise ValueError(f"it has a text that UTF-8 cannot write: {error.object!r}") from error


def document_of(row: bytes) -> Document:
    """A stored row as a document of one's own. Raises ValueError where it is none."""
    try:
        return msgspec.json.decode(row, type=dict[str, Any])
    except msgspec.MsgspecError as error:
        raise ValueError(str(error)) from error


def words(text: str) -> list[str]:
    """What full text is made of, in documents as in questions: letters and digits, small, and nothing else."""
    return _WORD.findall(text.casefold())


def searched(row: bytes, fields: Sequence[str]) -> list[str]:
    """What of a row is searched, one text for each field that has something. Raises ValueError where it is no document.

    Numbers are searched as they are written; truth values are not.
    """
    document = document_of(row)
    found = [document[name] for name in fields if name in document and not isinstance(document[name], bool)]
    return [" ".join(map(str, value)) if isinstance(value, list) else str(value) for value in found]


def _can_be_held(value: object) -> bool:
    if isinstance(value, list):
        return all(isinstance(item, str) for item in value)
    if isinstance(value, float):
        return math.isfinite(value)
    if isinstance(value, int):
        return -EXACT <= value <= EXACT
    return isinstance(value, str)

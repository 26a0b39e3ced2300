"""An entry of a catalogue, as any program may have written it: read with care, as one that is wrong must not hide the
others."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Mapping
from typing import Any, NamedTuple

from storage.errors import EntryDamaged

_NAME = re.compile(r"[a-z][a-z0-9_]*")
_MOST = 2**53
_LATEST_MS = 253_402_300_799_999  # the last millisecond of the year 9999


class Rule(NamedTuple):
    """What a field may hold, in words and as a check."""

    words: str
    fits: Callable[[Any], bool]

    def or_null(self) -> Rule:
        """The same, or null."""
        return Rule(f"{self.words}, or null", lambda value: value is None or self.fits(value))


def integer(least: int, most: int = _MOST) -> Rule:
    """An integer from the one to the other."""
    return Rule(f"an integer from {least} to {most}", lambda value: type(value) is int and least <= value <= most)


TEXT = Rule("a text", lambda value: isinstance(value, str))
NAME = Rule("a name of small letters, digits and _", lambda value: TEXT.fits(value) and bool(_NAME.fullmatch(value)))
OBJECT = Rule("an object", lambda value: isinstance(value, dict))
MOMENT = Rule("a moment in ms since 1970", integer(0, _LATEST_MS).fits)


def read(text: object, rules: Mapping[str, Rule], optional: Collection[str] = ()) -> dict[str, Any]:
    """The fields of an entry; those without a rule are left out, as a later release may have added them.

    Args:
        text: the JSON text, or its bytes.
        optional: may be missing.

    Raises:
        EntryDamaged: it is not what the rules say; the message says where, and names no entry.
    """
    return checked(_object(text), rules, optional)


def checked(
    found: Mapping[str, Any], rules: Mapping[str, Rule], optional: Collection[str] = (), within: str = ""
) -> dict[str, Any]:
    """The fields of an object that have a rule. Raises as `read` does.

    Args:
        within: what the message puts before a field's name.
    """
    for name, rule in rules.items():
        if name not in found and name not in optional:
            raise EntryDamaged(f"`{within}{name}` is missing")
        if name in found and not rule.fits(found[name]):
            raise EntryDamaged(f"`{within}{name}` is not {rule.words}")
    return {name: found[name] for name in rules if name in found}


def _object(text: object) -> dict[str, Any]:
    if not isinstance(text, str | bytes):
        raise EntryDamaged("it is no text")
    try:
        found = json.loads(text)
        json.dumps(found, allow_nan=False, ensure_ascii=False).encode()  # half a character, or NaN, breaks readers
    except (ValueError, RecursionError):
        raise EntryDamaged("it is not JSON") from None
    if not isinstance(found, dict):
        raise EntryDamaged("it is no JSON object")
    return found

"""Which event is meant, as a person writes it: by its position, its id, its key, or by fields. No I/O."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass

from schemas.errors import MillraceError
from schemas.redaction import is_secret
from streams.logged import Logged, Told

_PLACE = re.compile(r"([A-Za-z0-9._-]{1,249})[/:]([0-9]{1,9})[/:]([0-9][0-9,]{0,24})")
_LONGEST = 300
HOW = (
    "Write its position, clicks/3/917; or its id or key, u7; with fields, u7 item=i42; with its topic first, clicks u7 "
    "item=i42."
)


class NoEvent(MillraceError):
    """What was written names no event."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What must hold of an event, all of it.

    Attributes:
        topic: where it is; "" = anywhere.
        place: its partition and offset.
        word: its id or its key; "" = either may be anything.
        fields: names and values of fields, as text.
    """

    topic: str = ""
    place: tuple[int, int] | None = None
    word: str = ""
    fields: tuple[tuple[str, str], ...] = ()

    def may_be(self, event: Logged) -> bool:
        """Whether it is worth decoding: Avro holds texts as they are."""
        return not self.word or event.key_text == self.word or self.word.encode() in (event.value or b"")

    def is_it(self, told: Told) -> bool:
        """Whether an event is meant."""
        if self.word and self.word not in (told.event.key_text, _text(told.id)):
            return False
        value = told.value or {}
        return all(name in value and _text(value[name]) == wanted for name, wanted in self.fields)


def wanted(text: str, topics: Collection[str]) -> Wanted:
    """What a person means.

    Args:
        topics: those that are known by name.

    Raises:
        NoEvent: nothing; the message says how to write it.
    """
    place = _PLACE.fullmatch(text.strip())
    if place is not None:
        topic, partition, offset = place.groups()
        return Wanted(topic, (int(partition), int(offset.replace(",", ""))))
    words = text[:_LONGEST].split()
    fields = tuple((name, value) for name, mark, value in (word.partition("=") for word in words) if mark)
    rest = [word for word in words if "=" not in word]
    topic = rest.pop(0) if rest and rest[0] in topics and (len(rest) > 1 or fields) else ""
    hidden = [name for name, _ in fields if is_secret(name)]
    if hidden:
        raise NoEvent(f"{', '.join(hidden)} is kept secret: no event is looked for by it.")
    if len(rest) > 1 or not (rest or fields):
        raise NoEvent(HOW)
    return Wanted(topic, None, rest[0] if rest else "", fields)


def _text(value: object) -> str:
    if isinstance(value, bytes):
        return value.decode("utf-8", "backslashreplace")
    if isinstance(value, bool):
        return str(value).lower()
    return "" if value is None else str(value)

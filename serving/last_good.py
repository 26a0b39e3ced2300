"""The last good answer to each request: what stands in for an answer where neither the implementation nor the fallback
gives one. No I/O, no clock of its own."""

from __future__ import annotations

from collections import OrderedDict
from typing import NamedTuple

from serving.json_schema.json_type import JsonType
from serving.provenance import AsOf

Question = tuple[str | None, bytes]
"""The implementation that was asked by its name, None where none was, and the body that travelled. The unit is in the
body, so that no answer is ever given to another unit, nor to another request of the same one."""

OVERHEAD = 600
"""Bytes that the memory of one answer takes beside the bodies."""


class Good(NamedTuple):
    """An answer that an implementation gave.

    Attributes:
        answer: the body, as `form` writes it.
        form: the type of the response, as it was declared then.
        hash: of the code that gave it.
        as_of: oldest event time behind it.
        at: when, by any clock that only rises, in seconds.
    """

    answer: bytes
    form: JsonType
    hash: str
    as_of: AsOf
    at: float


class LastGood:
    """The newest good answers of one endpoint type; the longest unused are forgotten first. For one thread.

    Args:
        limit: bytes that it may take.
    """

    def __init__(self, limit: int) -> None:
        self._limit, self.size = limit, 0
        self._known: OrderedDict[Question, Good] = OrderedDict()

    def __len__(self) -> int:
        return len(self._known)

    def keep(self, question: Question, good: Good) -> None:
        """This is the last good answer to it from now on. One that would drive out many others is not kept."""
        before = self._known.pop(question, None)
        if before is not None:
            self.size -= _size(question, before)
        if _size(question, good) > self._limit // 8:
            return
        self._known[question] = good
        self.size += _size(question, good)
        while self.size > self._limit:
            self.size -= _size(*self._known.popitem(last=False))

    def find(self, question: Question, form: JsonType, since: float) -> Good | None:
        """The last good answer to this very request, if it was given since then and is still of the type's form."""
        found = self._known.get(question)
        if found is None:
            return None
        if found.at < since or (found.form is not form and found.form.schema != form.schema):
            del self._known[question]
            self.size -= _size(question, found)
            return None
        return found


def _size(question: Question, good: Good) -> int:
    return OVERHEAD + len(question[1]) + len(good.answer)

"""What was read lately, kept near the reader for as long as Redis has not said that it has changed.

Redis remembers which keys a connection has read (`CLIENT TRACKING`) and says on that same connection, between the
replies, which of them have changed. So the order of arrival is all there is to it: a value is stored when its reply
arrives, and forgotten when the message does, inside `data_received` and nowhere else. A coroutine that stored what it
had awaited would come too late: the message may have passed between the reply and its turn.

A message that does not come tells nothing: the connection may hang. So what is here is believed only for `TRUST` after
a moment at which something was sent that Redis has answered meanwhile. Its answer came after all messages about what
had changed before that moment; so no value given here is older than what was acknowledged `TRUST` ago.
"""

from __future__ import annotations

from asyncio import Future
from collections import OrderedDict
from collections.abc import Sequence
from typing import Any, Protocol

from storage.redis.lookup import Lookup, Part, Question

TRUST = 0.08
"""Seconds after a proof for which what is here may be given."""
RENEWED = 0.02
"""Seconds after which another proof is asked for, where nothing else is under way."""
_NOTHING: dict[Part, Any] = {}
MISSING: Any = object()
"""What is not here."""
_KEY = 450
"""Bytes that a key takes beside its own and those of its values, about."""

Joined = tuple[Future[list[Any]], int]
"""Values that somebody else has asked for, and the place of one among them."""


class Asked(Protocol):
    """A request that is under way; `Request` is one."""

    began: float

    @property
    def is_wanted(self) -> bool: ...
    def join(self) -> Future[list[Any]]: ...


class Near:
    """One connection's cache. Pure: it knows no socket and no clock.

    Args:
        room: bytes that it may take, about. Where there is more, what came first goes first, asked for or not: to note
            each hit would cost more than it saves.

    Attributes:
        proven: when the newest request was made that was answered; messages of what changed before have arrived.
        asked: what is under way, to be joined: key and part -> the request, and the place of its reply.
        hits, misses: parts that were here when they were asked for, and that were not.
    """

    __slots__ = ("_found", "_weights", "asked", "hits", "misses", "proven", "room", "used")

    def __init__(self, room: int) -> None:
        self.room = room
        self.used = self.hits = self.misses = 0
        self.proven = float("-inf")
        self.asked: dict[tuple[str, Part], tuple[Asked, int]] = {}
        self._found: OrderedDict[str, dict[Part, Any]] = OrderedDict()
        self._weights: dict[str, int] = {}

    def given(self, questions: Sequence[Question]) -> tuple[list[Any], list[int]]:
        """Values for whoever asks, to do with as he likes, and the places of those that are MISSING. Only to be asked
        while `trusts`."""
        find = self._found.get
        values: list[Any] = []
        missing: list[int] = []
        for lookup, key, part in questions:
            parts = find(key)
            value = MISSING if parts is None else parts.get(part, MISSING)
            if value is MISSING:
                missing.append(len(values))
                values.append(MISSING)
            else:
                values.append(lookup.given(value))
        self.misses += len(missing)
        self.hits += len(values) - len(missing)
        return values, missing

    def given_rows(self, key: str, rows: Sequence[str]) -> list[Any]:
        """The same of rows that were put, which are all under one key."""
        find = self._found.get(key, _NOTHING).get
        values = [find(row, MISSING) for row in rows]
        missing = values.count(MISSING)
        self.misses += missing
        self.hits += len(values) - missing
        return values

    def trusts(self, now: float) -> bool:
        """Whether the last proof is not too long ago, at a time of `time.monotonic`."""
        return now - self.proven < TRUST

    def join(self, key: str, part: Part, now: float) -> Joined | None:
        """Values that were asked for just now, and the place of this one among them; None = it is to be asked for."""
        found = self.asked.get((key, part))
        if found is None or now - found[0].began >= TRUST or not found[0].is_wanted:
            return None
        return found[0].join(), found[1]

    def leave(self, request: Asked, questions: Sequence[Question]) -> None:
        """Nobody may join this request any more."""
        for _, key, part in questions:
            if self.asked.get((key, part), (None, 0))[0] is request:
                del self.asked[key, part]

    def answered(self, began: float) -> None:
        """All of a request has been answered that was made then, in seconds of `time.monotonic`."""
        self.proven = max(self.proven, began)

    def store(self, lookup: Lookup, key: str, part: Part, value: Any) -> None:
        """Take a value whose reply arrives now."""
        if lookup.spread and isinstance(part, tuple):
            for one, item in zip(part, value, strict=True):
                self._store(lookup, key, one, item)
        else:
            self._store(lookup, key, part, value)

    def changed(self, keys: Sequence[bytes] | None) -> None:
        """Forget these keys, of which Redis says now that they have changed; None = all, as the server was emptied."""
        if keys is None:
            self.clear()
            return
        for key in keys:
            name = key.decode(errors="replace")
            if self._found.pop(name, None) is not None:
                self.used -= self._weights.pop(name)

    def clear(self) -> None:
        """Forget all: nobody says any more what changes. What is under way stays under way, and is not joined."""
        self._found.clear()
        self._weights.clear()
        self.asked.clear()
        self.used = 0
        self.proven = float("-inf")

    def _store(self, lookup: Lookup, key: str, part: Part, value: Any) -> None:
        value = lookup.kept(value)
        weight, parts = lookup.weigh(value), self._found.get(key)
        if parts is None:
            self._found[key] = {part: value}
            weight += _KEY + len(key)
            self._weights[key] = weight
        else:
            if part in parts:
                weight -= lookup.weigh(parts[part])
            parts[part] = value
            self._weights[key] += weight
        self.used += weight
        while self.used > self.room:
            oldest, _ = self._found.popitem(last=False)
            self.used -= self._weights.pop(oldest)

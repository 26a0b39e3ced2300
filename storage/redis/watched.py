"""A commit that only puts records, by WATCH and MULTI: what a script would take through Lua goes straight to its rows.

    WATCH the unit's hash, then read its fence and the types of what is to be written; decide;
    MULTI, the rows, the new position, EXEC, which Redis refuses if the fence has changed since

A watch is the server's memory of one connection. So all of it goes over one connection that nobody else uses and that
cannot connect again in between, and no proxy that repeats commands may stand before Redis. EXEC applies all or nothing,
but it does not undo: types are looked at first, and what fails all the same makes the generation suspect.

Only the unit's hash is watched, because other units write into the same rows' hash all the time. Sums cannot be written
so: that they stay exact must be looked at in the same step in which they are added to, which is what the script is for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from storage.errors import UnknownOutcome
from storage.redis.keys import number
from storage.redis.pool import Command, Pool, Steady, exchange
from storage.unit import Claim

_FENCE = ("epoch", "owner", "next", "suspect", "watermark")
_LOOKS = 3
"""How often the fence is looked at, if it changes each time before EXEC: a look that finds another claim says so."""

Reply = Sequence[Any]
"""One of those of `commit.lua`."""


@dataclass(frozen=True, slots=True)
class Puts:
    """What is to be committed.

    Attributes:
        unit: key of the unit's hash.
        rows: by key of a hash of records its fields and values by turns, in pieces for one command each.
        positions: of other shards, once they have taken what they are to write; None = there are none.
        besides: other commands.
    """

    unit: str
    claim: Claim
    expected: int | None
    new: int
    rows: Mapping[str, Sequence[Sequence[str | bytes | float]]]
    watermark_ms: int | None
    positions: str | None = None
    besides: Sequence[Command] = ()


def put_watched(pool: Pool, puts: Puts) -> Reply:
    """Commit them. Blocks; raises as `exchange` does."""
    with exchange(pool) as connection:
        try:
            for _ in range(_LOOKS):
                reply = _attempt(connection, puts)
                if reply is not None:
                    return reply
            raise UnknownOutcome(f"{puts.unit} was changed at every look, so nothing was written.")
        except BaseException:
            connection.forget()  # what it watches, what it has queued, and replies that may still come
            raise
        finally:
            connection.held = False


def _attempt(connection: Steady, puts: Puts) -> Reply | None:
    """None: the fence has changed between the look at it and EXEC, which has written nothing."""
    looks: list[Command] = [("WATCH", puts.unit), ("HMGET", puts.unit, *_FENCE), ("TIME",)]
    connection.tell(*looks, *(("TYPE", key) for key in puts.rows))
    connection.held = True
    _, fence, now, *types = [connection.hear() for _ in range(len(looks) + len(puts.rows))]
    refusal = _refusal(puts, fence)
    if refusal is not None:
        connection.forget()
        return refusal
    wrong = [f"{key} is no hash" for key, kind in zip(puts.rows, types, strict=True) if kind not in (b"hash", b"none")]
    if wrong:
        marked = _executed(connection, [_mark(puts, wrong[0])])
        return None if marked is None else [b"SUSPECT", wrong[0].encode()]
    rows: list[Command] = [("HSET", key, *part) for key, parts in puts.rows.items() for part in parts]
    done = _executed(connection, [*rows, *puts.besides, ("HSET", puts.unit, *_moved(puts, fence, now))])
    return None if done is None else _settled(connection, puts, done)


def _executed(connection: Steady, commands: Sequence[Command]) -> Reply | None:
    """Each command's reply, its error among them; None = what is watched has changed, so nothing was done."""
    connection.tell(("MULTI",), *commands, ("EXEC",))
    replies = [connection.hear() for _ in range(len(commands) + 2)]
    return cast("Reply | None", replies[-1])


def _settled(connection: Steady, puts: Puts, done: Reply) -> Reply:
    """What follows an EXEC that was done: the others have been written where one could not be."""
    failed = [reply for reply in done if isinstance(reply, Exception)]
    if not failed:
        return [b"OK"]
    what = f"a commit of {puts.unit} to {puts.new} was left half applied: {failed[0]}"
    connection.tell(_mark(puts, what))
    connection.hear()
    return [b"SUSPECT", what.encode()]


def _mark(puts: Puts, what: str) -> Command:
    return "HSET", puts.unit, "suspect", what


def _refusal(puts: Puts, fence: Reply) -> Reply | None:
    """Why it must not be written, as `fence.lua` says it; None when it may."""
    epoch, owner, position, suspect, _ = fence
    if (epoch, owner) != (str(puts.claim.epoch).encode(), puts.claim.owner.encode()):
        return [b"FENCED"]
    if suspect is not None:
        return [b"SUSPECT", suspect]
    if position == str(puts.new).encode():
        return [b"ALREADY"]
    if position != (None if puts.expected is None else str(puts.expected).encode()):
        return [b"GAP"]
    return None


def _moved(puts: Puts, fence: Reply, now: Reply) -> list[str | int]:
    """What the unit's hash is to hold: only its owner writes it, so what was read under the watch is what is there."""
    seconds, microseconds = map(int, now)
    found: list[str | int] = ["next", puts.new, "committed", seconds * 1000 + microseconds // 1000]
    if puts.positions is not None:
        before, watermark = ((fence[number] or b"").decode() for number in (2, -1))
        found += ["positions", puts.positions, "before", before, "before_watermark", watermark]
    if puts.watermark_ms is not None:
        old = number(fence[-1])
        found += ["watermark", puts.watermark_ms if old is None else max(puts.watermark_ms, old)]
    return found

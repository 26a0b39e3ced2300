"""Questions that are put to Redis because nothing near answers them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from time import monotonic
from typing import Any

from storage.redis.connection import Connection
from storage.redis.lookup import Question
from storage.redis.near import Joined, Near
from storage.redis.request import ReplyError


async def look(connection: Connection, near: Near, questions: Sequence[Question]) -> list[Any]:
    """Their values, as they are kept. What somebody else has just asked is not asked again. Raises as `Connection.call`
    does."""
    joined: dict[int, Joined] = {}
    if near.asked:
        now = monotonic()
        for place, (_, key, part) in enumerate(questions):
            if (found := near.join(key, part, now)) is not None:
                joined[place] = found
    if not joined:
        return await connection.ask(questions, near).future
    return await _together(connection, near, questions, joined)


async def _together(
    connection: Connection, near: Near, questions: Sequence[Question], joined: Mapping[int, Joined]
) -> list[Any]:
    own = [place for place in range(len(questions)) if place not in joined]
    values: dict[int, Any] = {}
    try:
        if own:
            found = await connection.ask([questions[place] for place in own], near).future
            values.update(zip(own, found, strict=True))
        for place, (future, at) in joined.items():
            try:
                values[place] = (await future)[at]
            except ReplyError:  # it may be for another question of who asked first
                [values[place]] = await connection.ask([questions[place]], near).future
    finally:
        for future, _ in joined.values():
            future.cancel()  # who leaves early wants none of them any more
    return [values[place] for place in range(len(questions))]

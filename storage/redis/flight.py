"""Scripts that are sent to several nodes at once, so that all of them work at the same time."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

from redis.exceptions import NoScriptError, ResponseError

from storage.redis.pool import Pool, Steady, exchange, refusal
from storage.redis.scripts import Script, run


@dataclass(frozen=True, slots=True)
class Call:
    """One script for one node."""

    pool: Pool
    script: Script
    keys: tuple[str, ...]
    arguments: Sequence[str | bytes | float]


def fly(calls: Sequence[Call]) -> list[Any]:
    """The reply of each, in their order. Blocks until all have answered. Those of one node travel over one connection.

    Raises:
        StorageUnavailable: a node is not reached, or refuses for now; others may have done what they were told.
        UnknownOutcome: a node has been told, and does not answer.
        SuspectGeneration: a script failed on the way.
    """
    replies: dict[int, Any] = {}
    pools = dict.fromkeys(call.pool for call in calls)
    with ExitStack() as held:
        lines = [(held.enter_context(exchange(pool)), _of(calls, pool)) for pool in pools]
        try:
            for line, numbers in lines:
                line.tell(*(_command(calls[number]) for number in numbers))
            for line, numbers in lines:
                replies.update((number, _heard(line)) for number in numbers)
        except BaseException:
            for line, _ in lines:
                line.forget()  # replies that nobody has read are nobody's
            raise
    return [_settled(call, replies[number]) for number, call in enumerate(calls)]


def _of(calls: Sequence[Call], pool: Pool) -> list[int]:
    return [number for number, call in enumerate(calls) if call.pool is pool]


def _command(call: Call) -> tuple[str | bytes | float, ...]:
    return ("EVALSHA", call.script.sha, len(call.keys), *call.keys, *call.arguments)


def _heard(line: Steady) -> Any:
    """A reply, which may be an error."""
    try:
        return line.hear()
    except ResponseError as error:
        return error


def _settled(call: Call, reply: Any) -> Any:
    if isinstance(reply, NoScriptError):  # it does not know the script yet, and has done nothing
        return run(call.pool, call.script, call.keys, *call.arguments)
    if isinstance(reply, ResponseError):
        raise refusal(call.pool, reply) from reply
    return reply

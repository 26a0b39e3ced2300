"""What the fence costs on Redis: commits of 2,000 rows beside the same writes without fence or position.

Three kinds of commits, as many rows of each:

- records: 2,000 rows of 60 bytes put, one for each of 2,000 users out of 100,000;
- counters: one field added to in each of 2,000 rows, for users out of 100,000: the narrowest rows there are;
- ranking: weights added to 100 members in each of 20 rows of a decayed ranking, out of 10,000 items.

Plain writes are what a sensible engineer sends: one pipeline without a transaction, many fields in one HSET; HINCRBY
and ZINCRBY take one field each. Both sides get the same grouped rows, write to keys of their own, and take turns.
How long Redis is held up is said for a commit as a worker cuts it, which counts by `Writes.rows`.
"""

from __future__ import annotations

import random
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from statistics import median
from typing import Any
from uuid import uuid4

import redis

from benchmarks.report import say
from storage.address import Address
from storage.kinds import KINDS
from storage.redis.redis import Redis
from storage.technology import Technology
from storage.unit import Claim, Outcome, UnitId
from storage.writes import Writes

ROWS = 2_000
ROUNDS = 60
RECORD = 60
USERS, ITEMS = 100_000, 10_000
RECORDS, COUNTERS, RANKING = "records/profile", "counters/seen", "ranking/trending"
BUCKET = 7


@dataclass
class Spent:
    """Of one kind of commits: seconds on each side, and how long Redis was held up by one."""

    fenced: float = 0.0
    plain: float = 0.0
    held: list[float] = field(default_factory=list)


def measure(redis_url: str, rounds: int = ROUNDS) -> float:
    """Fenced rows per second beside plain ones, over all kinds; the figures by kind go to stderr.

    Leaves its rows in the database, which should be empty and its own.
    """
    spent: dict[str, Spent] = defaultdict(Spent)
    with closing(Redis(redis_url)) as technology, redis.Redis.from_url(redis_url, protocol=2) as client:
        fenced = Writer(technology)
        for number, (kind, writes) in enumerate(commits(rounds)):
            _both(spent[kind], fenced, client, writes, number % 2 == 0)
    for kind, found in spent.items():
        rows = ROWS * rounds
        say(
            f"{kind}: {rows / found.fenced:,.0f} rows/s fenced, {rows / found.plain:,.0f} plain, "
            f"{found.plain / found.fenced:.2f}x; a commit of a worker holds Redis for {median(found.held):.1f} ms"
        )
    ratio = sum(found.plain for found in spent.values()) / sum(found.fenced for found in spent.values())
    say(f"fenced against plain, all kinds: {ratio:.2f}x")
    return ratio


def _both(spent: Spent, fenced: Writer, client: redis.Redis, writes: Writes, plain_first: bool) -> None:
    """Write the same on both sides, one after the other."""
    for is_plain in (plain_first, not plain_first):
        if is_plain:
            spent.plain += seconds(lambda: plain(client, writes))
        else:
            before = _held_ms(client)
            spent.fenced += seconds(lambda: fenced.write(writes))
            spent.held.append((_held_ms(client) - before) * KINDS["redis"].rows / writes.rows)


def _held_ms(client: redis.Redis) -> float:
    """How long commits have held up Redis so far."""
    found: Any = client.info("commandstats")
    return sum(float(found.get(f"cmdstat_{name}", {"usec": 0})["usec"]) for name in ("evalsha", "exec")) / 1000


class Writer:
    """A unit that commits one event's writes after the other."""

    def __init__(self, technology: Technology, learner: str = "bench") -> None:
        self._technology = technology
        self._claim: Claim = technology.claim(UnitId(learner, 1, 1, "events", 0), uuid4().hex)
        self._position = self._claim.next

    def write(self, writes: Writes) -> None:
        """Commit them. Blocks."""
        new = (self._position or 0) + ROWS
        outcome = self._technology.commit(self._claim, self._position, new, writes, new)
        if outcome is not Outcome.OK:
            raise RuntimeError(f"A commit ended with {outcome}.")
        self._position = new


def plain(client: redis.Redis, writes: Writes) -> None:
    """The same rows without fence, position or checks."""
    pipeline = client.pipeline(transaction=False)
    if writes.puts:
        pipeline.hset("plain:records", mapping={address.key: row for address, row in writes.puts.items()})
    for address, sums in writes.sums.items():
        for name, amount in sums.items():
            pipeline.hincrby(f"plain:counters:{address.key}", name, amount)
    for address, scores in writes.scores.items():
        for member, score in scores.items():
            pipeline.zincrby(f"plain:ranking:{address.bucket}:{address.key}", score, member)
    pipeline.execute()


def commits(rounds: int) -> Iterator[tuple[str, Writes]]:
    """So many of each kind, by turns."""
    chance = random.Random(7)
    for number in range(rounds):
        users = chance.sample(range(USERS), ROWS)
        yield "records", Writes(puts={Address(RECORDS, f"user{user}"): chance.randbytes(RECORD) for user in users})
        users = chance.sample(range(USERS), ROWS)
        yield "counters", Writes(sums={Address(COUNTERS, f"user{user}"): {"count": 1 + user % 3} for user in users})
        scores = {Address(RANKING, f"genre{genre}", BUCKET): _weights(chance) for genre in range(20)}
        yield "ranking", Writes(scores=scores, newest={RANKING: number})


def _weights(chance: random.Random) -> dict[str, float]:
    return {f"item{item}": chance.random() for item in chance.sample(range(ITEMS), ROWS // 20)}


def seconds(write: Callable[[], None]) -> float:
    """How long it takes."""
    start = time.perf_counter()
    write()
    return time.perf_counter() - start

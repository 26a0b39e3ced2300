"""How many rows a second Cassandra takes, served rows and state together, beside Redis.

Both get the same commits through the same protocol: 2,000 records of 100 bytes each, for users out of 20,000. They take
turns, and each has written for a while before anything counts, as Cassandra's Java compiles itself meanwhile.
"""

from __future__ import annotations

import random
import time
from contextlib import closing
from dataclasses import dataclass
from uuid import uuid4

from benchmarks.report import say
from storage.address import Address
from storage.cassandra.cassandra import Cassandra
from storage.errors import StorageUnavailable, UnknownOutcome
from storage.redis.redis import Redis
from storage.technology import Technology
from storage.unit import Claim, Outcome, UnitId
from storage.writes import Writes

ROWS = 2_000
USERS = 20_000
RECORD = 100
WARM_UP, ROUNDS = 200, 60
RECORDS = "records/profile"


@dataclass
class _Side:
    """One technology, with a unit of its own."""

    technology: Technology
    claim: Claim
    position: int | None = None
    seconds: float = 0.0

    def commit(self, writes: Writes) -> None:
        """Commit and note how long it takes."""
        new = (self.position or 0) + ROWS
        begun = time.perf_counter()
        outcome = self._sent(new, writes)
        self.seconds += time.perf_counter() - begun
        assert outcome in (Outcome.OK, Outcome.ALREADY)
        self.position = new

    def _sent(self, new: int, writes: Writes) -> Outcome:
        while True:
            try:
                return self.technology.commit(self.claim, self.position, new, writes, None)
            except (UnknownOutcome, StorageUnavailable):
                continue  # a busy machine; the identical commit is sent again, as a worker does


def measure(redis_url: str, cassandra_url: str, rounds: int = ROUNDS, warm_up: int = WARM_UP) -> float:
    """Cassandra's rows per second by those of Redis; the figures go to stderr. Takes up to a minute.

    Leaves its rows in both databases.
    """
    with closing(Redis(redis_url)) as redis, closing(Cassandra(cassandra_url)) as cassandra:
        unit = UnitId(f"rows_{uuid4().hex[:8]}", 1, 1, "clicks", 0)
        sides = [_Side(item, item.claim(unit, uuid4().hex)) for item in (redis, cassandra)]
        chance = random.Random(7)
        for number in range(warm_up + rounds):
            if number == warm_up:
                for side in sides:
                    side.seconds = 0.0
            writes = _writes(chance)
            for side in sides if number % 2 else reversed(sides):
                side.commit(writes)
    rates = [ROWS * rounds / side.seconds for side in sides]
    say(f"redis {rates[0]:,.0f} rows/s, cassandra {rates[1]:,.0f}: {rates[1] / rates[0]:.3f}x")
    return rates[1] / rates[0]


def _writes(chance: random.Random) -> Writes:
    users = chance.sample(range(USERS), ROWS)
    return Writes(puts={Address(RECORDS, f"user-{number:06}"): chance.randbytes(RECORD) for number in users})

"""The rows that are asked for, and who keeps writing them: real commits of a unit, under the fence."""

from __future__ import annotations

import random
import sys
import time
from collections.abc import Iterable
from contextlib import closing
from dataclasses import replace
from itertools import accumulate

from benchmarks.prove_models.product.endpoints import Profile
from schemas import encode_record
from storage.address import Address
from storage.descriptor import Descriptor
from storage.redis.redis import Redis
from storage.unit import Claim, Outcome, UnitId
from storage.writes import Writes

FILMS, NEIGHBOURS = 6_000, 20
STORAGE = "ranking/near"
DESCRIPTOR = Descriptor(
    "redis",
    "ranking",
    "near",
    1,
    "neighbours@1",
    1,
    "ratings",
    {"half_life_ms": None, "size": None},
    None,
    "2026-01-01",
)
USERS, FEATURES = 1_000, 50
PER_SECOND, ROWS = 20, 50
"""Commits a second, and rows in each."""


PROFILE = replace(DESCRIPTOR, format="records", name="profile", options={}, schema=Profile.avro_schema())


class Popular:
    """Films as they are asked for and rated: the nth as often as one in n."""

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance
        self._sums = list(accumulate(1 / place for place in range(1, FILMS + 1)))

    def some(self, count: int) -> list[int]:
        """So many different ones."""
        found: dict[int, None] = {}
        while len(found) < count:
            found[self._chance.choices(range(FILMS), cum_weights=self._sums)[0]] = None
        return list(found)


class Writer:
    """One unit of the learner that writes the ranking `near`."""

    def __init__(self, url: str, partition: int) -> None:
        self._redis = Redis(url)
        self._unit = UnitId(DESCRIPTOR.learner, 1, DESCRIPTOR.generation, DESCRIPTOR.topic, partition)
        for descriptor in (DESCRIPTOR, PROFILE):
            self._redis.declare(descriptor)
        self._claim: Claim = self._redis.claim(self._unit, f"writer-{time.time_ns()}")
        self._position = self._claim.next

    def write(self, rows: Iterable[tuple[str, dict[str, float]]]) -> None:
        """Commit these rows' scores; blocks until Redis has acknowledged them."""
        self._commit(Writes(ranks={Address(STORAGE, key): scores for key, scores in rows}))

    def put(self, profiles: Iterable[tuple[str, Profile]]) -> None:
        """Commit these users' profiles."""
        rows = {Address(PROFILE.storage, key): encode_record(Profile, value) for key, value in profiles}
        self._commit(Writes(puts=rows))

    def _commit(self, writes: Writes) -> None:
        new = 1 if self._position is None else self._position + 1
        outcome = self._redis.commit(self._claim, self._position, new, writes, time.time_ns() // 1_000_000)
        if outcome is not Outcome.OK:
            raise RuntimeError(f"a commit of the proof was {outcome}")
        self._position = new

    def close(self) -> None:
        """Let go of its connections."""
        self._redis.close()


def film(number: int) -> str:
    """A film's key."""
    return f"film-{number}"


def user(number: int) -> str:
    """A user's key."""
    return f"u{number}"


def feature(number: int) -> str:
    """A feature's name."""
    return f"f{number}"


def fill(url: str) -> None:
    """Write every row once."""
    chance = random.Random(1)
    with closing(Writer(url, 0)) as writer:
        for start in range(0, FILMS, ROWS):
            writer.write((film(number), _row(chance)) for number in range(start, start + ROWS))
        for start in range(0, USERS, ROWS):
            writer.put((user(number), _profile(chance)) for number in range(start, start + ROWS))


def main() -> None:
    """Go on writing until the process is ended."""
    chance = random.Random()
    popular, begun, commits = Popular(chance), time.monotonic(), 0
    with closing(Writer(sys.argv[1], 1)) as writer:
        while True:
            writer.write((film(number), _row(chance)) for number in popular.some(ROWS))
            commits += 1
            time.sleep(max(0.0, begun + commits / PER_SECOND - time.monotonic()))


def _profile(chance: random.Random) -> Profile:
    return Profile({feature(number): chance.random() for number in range(FEATURES)})


def _row(chance: random.Random) -> dict[str, float]:
    return {film(number): chance.random() for number in chance.sample(range(200), NEIGHBOURS)}


if __name__ == "__main__":
    main()

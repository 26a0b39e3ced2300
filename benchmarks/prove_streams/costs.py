"""Where a worker's time goes: CPU for each event by step, which other work on the machine hardly changes.

The steps are the worker's own calls on 100,000 plays: a poll's events are decoded together, folded in pieces that make
a commit, packed, and sent to a Redis. What reading from Kafka costs is not among them.
"""

from __future__ import annotations

import cProfile
import pstats
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import redis

from benchmarks.prove_streams import plays
from benchmarks.prove_streams.product.events import Play
from benchmarks.prove_streams.product.item import PlaysOfItem
from benchmarks.prove_streams.product.user import PlaysOfUser
from benchmarks.prove_streams.stage import own_redis
from learners import Learner
from learners.declaration import Declaration
from learners.fold import Fold
from learners.plan import LARGEST_LIMIT
from millrace.settings import Settings
from schemas import Codec
from schemas.avro import Schema
from storage import UnitId
from storage.kinds import KINDS
from storage.redis.keys import Keys
from storage.redis.redis import Redis
from storage.redis.writes import packed
from streams import Batch

EVENTS = 100_000
FOLDS: Mapping[str, type[Learner]] = {"item": PlaysOfItem, "user": PlaysOfUser}
STEPS = ("decode", "fold", "pack", "commit", "redis")
MOST = 8


@dataclass(frozen=True)
class Costs:
    """Of one fold.

    Attributes:
        steps: microseconds of CPU for each event, by step; "redis" is the server's.
        functions: the costliest functions of folding and packing, and their shares of it.
    """

    steps: Mapping[str, float]
    functions: Sequence[tuple[str, float]]


class _Known:
    """Knows the only schema there is."""

    def schema(self, schema_id: int) -> Schema:
        return Play.event_type.schema


def course(folder: Path) -> dict[str, Costs]:
    """See `of_folds`."""
    with own_redis(folder, Settings()) as settings:
        return of_folds(settings.redis_url)


def of_folds(redis_url: str) -> dict[str, Costs]:
    """By fold. Leaves its rows in the database, which should be empty and its own."""
    return {name: _costs(learner, redis_url) for name, learner in FOLDS.items()}


def _costs(learner: type[Learner], url: str) -> Costs:
    spent: Counter[str] = Counter()
    batches = _decoded(spent)
    profile, rows = cProfile.Profile(time.process_time), KINDS["redis"].rows
    with closing(Redis(url)) as technology, redis.Redis.from_url(url) as client:
        unit = UnitId(learner.name, 1, 1, plays.TOPIC, 0)
        claim = technology.claim(unit, uuid4().hex)
        fold = Fold(Declaration.of(learner, {plays.TOPIC: Play.event_type}), lambda rows: [])
        before, position = _server(client), claim.next
        for number, batch in enumerate(piece for whole in batches for piece in whole.split(rows)):
            if number % 2:  # a profile makes what it looks at slower
                profile.runcall(fold.fold, batch)
                writes = fold.session.take()
                profile.runcall(packed, Keys.of(unit), writes, at_once=True)
            else:
                at = [time.process_time()]
                fold.fold(batch)
                writes = fold.session.take()
                at.append(time.process_time())
                packed(Keys.of(unit), writes, at_once=True)
                at.append(time.process_time())
                spent["fold"] += 2 * (at[1] - at[0])
                spent["pack"] += 2 * (at[2] - at[1])
            begun = time.process_time()
            technology.commit(claim, position, batch.next, writes, None)
            spent["commit"] += time.process_time() - begun
            fold.session.committed()
            position = batch.next
        spent["redis"] = _server(client) - before
    spent["commit"] -= spent["pack"]  # it packs too
    return Costs({step: 1e6 * spent[step] / EVENTS for step in STEPS}, _functions(profile))


def _decoded(spent: Counter[str]) -> list[Batch]:
    codec, found, first = Codec(_Known()), [], 0
    payloads = [value for _, value in plays.messages(1, EVENTS)]
    for start in range(0, EVENTS, LARGEST_LIMIT):
        begun = time.process_time()
        frame = codec.decode_batch(payloads[start : start + LARGEST_LIMIT], Play.event_type).frame
        spent["decode"] += time.process_time() - begun
        found.append(Batch.of(frame, plays.TOPIC, 0, first))
        first += frame.height
    return found


def _server(client: redis.Redis) -> float:
    """Seconds of CPU that the server has used."""
    found = client.info("cpu")
    return float(found["used_cpu_user"] + found["used_cpu_sys"])


def _functions(profile: cProfile.Profile) -> list[tuple[str, float]]:
    spent: Counter[str] = Counter()
    for (file, line, name), (_, _, own, _, _) in pstats.Stats(profile).stats.items():  # type: ignore[attr-defined]
        spent[f"{file.removeprefix(f'{Path.cwd()}/')}:{line} {name}" if line else name] += own
    return [(name, own / sum(spent.values())) for name, own in spent.most_common(MOST)]

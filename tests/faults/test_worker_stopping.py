"""A worker that is told to stop commits what it has folded and gives its partitions back: others fold the rest once."""

from __future__ import annotations

import time
from collections import Counter
from contextlib import closing
from functools import partial
from itertools import islice
from threading import Event, Lock, Thread

import pytest

from benchmarks.prove_storage.product import Rating, rating_events
from learners import FrameLearner
from storage import Counters
from storage.technologies import opened
from streams import Batch
from tests.faults.crew import PARTITIONS, crew
from tests.waiting import until

FOLDED: Counter[tuple[int, int]] = Counter()
"""Partition and offset -> how often it was folded, by whichever worker of this process."""
LOCK = Lock()


class Noting(FrameLearner):
    """Counts per user, and notes in this process what it is given."""

    users = Counters("users")

    def learn(self, batch: Batch) -> None:
        with LOCK:
            FOLDED.update((batch.partition, offset) for offset in batch.offsets.tolist())
        self.users.add_one("all", str(batch.partition), batch.rows)


def folded_more_than(number: int) -> bool:
    """Whether that many events have been folded."""
    return sum(FOLDED.values()) > number


@pytest.mark.server
def test_what_was_folded_when_it_is_told_to_stop_is_committed_and_nothing_is_folded_twice(
    kafka: str, registry_url: str, redis_clean: str
) -> None:
    FOLDED.clear()
    events, enough = rating_events(seed=3), Event()
    with (
        closing(opened("redis", redis_clean)) as redis,
        crew(kafka, registry_url, redis, Rating.event_type, [Noting]) as workers,
    ):

        def emit() -> None:
            while not enough.is_set():
                workers.send(list(islice(events, 200)))

        emitting = Thread(target=emit)
        emitting.start()
        try:
            # Given a worker in the midst of events; when it is told to stop, and another under another name comes
            for number in range(3):
                workers.start(f"worker-{number}")
                until(partial(folded_more_than, sum(FOLDED.values()) + 2_000))
                begun = time.monotonic()
                workers.stop(f"worker-{number}")
                took = time.monotonic() - begun
                # Then all that it has folded is committed
                with LOCK:
                    folded = {
                        partition: 1 + max(o for p, o in FOLDED if p == partition) for partition in range(PARTITIONS)
                    }
                assert workers.positions() == {"counters/users": folded}
                assert took < 5
        finally:
            enough.set()
            emitting.join()
        workers.start("last")
        until(workers.level)
        assert sum(FOLDED.values()) == sum(workers.ends().values())
        assert set(FOLDED.values()) == {1}

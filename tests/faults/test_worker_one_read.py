"""Learners of one worker share the read of a topic, and its decoding."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from itertools import islice

import pytest

from benchmarks.prove_storage.product import Histories, LastEvents, Rating, StarCounts, Trend, rating_events
from schemas import Codec, Decoded, EventType
from storage.technologies import opened
from tests.faults.crew import crew
from tests.waiting import until

EVENTS = 3_000


class Counting(Codec):
    """Decodes, and counts what it is given."""

    payloads = 0

    def decode_batch(self, payloads: Sequence[bytes | None], reader: EventType) -> Decoded:
        self.payloads += len(payloads)
        return super().decode_batch(payloads, reader)


@pytest.mark.server
def test_four_learners_of_a_topic_have_each_event_decoded_once(kafka: str, registry_url: str, redis_clean: str) -> None:
    learners = [StarCounts, Histories, Trend, LastEvents]
    with (
        closing(opened("redis", redis_clean)) as redis,
        crew(kafka, registry_url, redis, Rating.event_type, learners, Counting) as workers,
    ):
        workers.send(list(islice(rating_events(seed=9), EVENTS)))
        workers.start("one")
        until(lambda: len(workers.positions()) == 5 and workers.level())
        assert isinstance(workers.codec, Counting)
        assert workers.codec.payloads == EVENTS

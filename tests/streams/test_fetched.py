"""What is decoded together is what would be decoded alone."""

from __future__ import annotations

import numpy as np
from confluent_kafka import Message
from hypothesis import given
from hypothesis import strategies as some

from schemas import Codec
from schemas.avro import Schema
from streams.fetched import Fetched, decode, decode_together
from streams.held import Stretch
from tests.learners.samples import Rating, ratings

SCHEMA_ID = 7
GOOD = [Rating.event_type.encode(SCHEMA_ID, row) for row in ratings(60).to_dicts()]
payloads = some.one_of(some.sampled_from(GOOD), some.sampled_from([b"", None, b"\0\0\0\0\x07", GOOD[0][:9], b"other"]))


class Known:
    """Knows the only schema there is."""

    def schema(self, schema_id: int) -> Schema:
        return Rating.event_type.schema


def stretch(partition: int, first: int, values: list[bytes | None]) -> Stretch:
    offsets = range(first, first + len(values))
    messages = [
        Message(topic="ratings", partition=partition, offset=offset, value=value, timestamp=(1, 1_900_000_000_000))
        for offset, value in zip(offsets, values, strict=True)
    ]
    return Stretch(messages, np.array(offsets, np.int64))


def said(found: Fetched) -> tuple[object, ...]:
    batch = found.batch
    rejected = [(bad.partition, bad.offset, bad.value, bad.error, bad.reason) for bad in found.rejected]
    kept = [message.offset() for message in found.messages]
    where = batch.topic, batch.partition, batch.first, batch.next
    return *where, batch.frame.rows(), batch.offsets.tolist(), rejected, kept


@given(some.lists(some.lists(payloads, min_size=1, max_size=40), min_size=1, max_size=4))
def test_partitions_that_are_decoded_together_get_what_they_get_alone(values: list[list[bytes | None]]) -> None:
    codec = Codec(Known())
    stretches = [(None, stretch(number, 10 * number, each)) for number, each in enumerate(values)]
    together = decode_together(stretches, codec, Rating.event_type)
    alone = [decode(first, one, codec, Rating.event_type) for first, one in stretches]
    assert list(map(said, together)) == list(map(said, alone))

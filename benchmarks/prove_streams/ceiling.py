"""The ceiling: consume many and decode them in columns, nothing else; at the end of the log it begins again."""

from __future__ import annotations

import sys

from confluent_kafka import OFFSET_BEGINNING, Consumer, Message, TopicPartition

from benchmarks.prove_streams.peers.count import Count
from benchmarks.prove_streams.plays import TOPIC
from benchmarks.prove_streams.product.events import Play
from schemas import Codec, RegistryClient

BATCH = 20_000
"""As many as our worker's polls bring at most."""


def main() -> None:
    """Read until the process is ended."""
    kafka, registry = sys.argv[1:]
    codec, count = Codec(RegistryClient(registry)), Count()
    consumer = Consumer(
        {
            "bootstrap.servers": kafka,
            "group.id": "ceiling",
            "enable.auto.commit": False,
            "enable.auto.offset.store": False,
            "fetch.queue.backoff.ms": 5,
            "queued.max.messages.kbytes": 32_768,
        }
    )
    places = [TopicPartition(TOPIC, n, OFFSET_BEGINNING) for n in consumer.list_topics(TOPIC).topics[TOPIC].partitions]
    total = sum(consumer.get_watermark_offsets(place)[1] for place in places)
    while True:
        consumer.assign(places)
        found = 0
        while found < total:
            messages = consumer.consume(BATCH, 0.025)
            decoded = codec.decode_batch(list(map(Message.value, messages)), Play.event_type) if messages else None
            if decoded is not None:
                found += decoded.frame.height
                count.add(decoded.frame.height)


if __name__ == "__main__":
    main()

"""What an emitted topic holds more than once: the evidence that events were emitted again, and dropped by readers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from confluent_kafka import Consumer, TopicPartition

from streams.kafka import Kafka
from streams.sources import sources_of
from streams.topic_reader import messages_until


def emissions(kafka: Kafka, topic: str, ends: Mapping[int, int]) -> Counter[tuple[str, int, int]]:
    """How often each emission is in a topic, by source, position and partition. Blocks until all is read."""
    found: Counter[tuple[str, int, int]] = Counter()
    reading = {"group.id": "repeats", "enable.auto.commit": False, "auto.offset.reset": "earliest"}
    client = Consumer(kafka.client({**reading, "enable.partition.eof": True}, {}))
    try:
        client.assign([TopicPartition(topic, partition, 0) for partition in ends])
        for messages in messages_until(client, topic, dict(ends), 30.0, 1_000):
            sources = sources_of(messages)
            places = zip(sources.which.tolist(), sources.positions.tolist(), messages, strict=True)
            found.update((sources.names[place], at, message.partition() or 0) for place, at, message in places)
    finally:
        client.close()
    return found

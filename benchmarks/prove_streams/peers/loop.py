"""A careful hand-written loop: consume many, fastavro, a dictionary, one Redis MULTI for each batch with the positions
in it. It reads on from its positions, but has no group, no fence, and nothing for what cannot be read."""

from __future__ import annotations

import os
from collections import Counter

import redis
from confluent_kafka import OFFSET_BEGINNING, Consumer, TopicPartition

from benchmarks.prove_streams.peers.avro import reader
from benchmarks.prove_streams.peers.count import Count

BATCH = 20_000


def main() -> None:
    """Count until the process is ended."""
    read, count, topic = reader(), Count(), os.environ["PROOF_TOPIC"]
    store = redis.Redis.from_url(os.environ["PROOF_REDIS"])
    consumer = Consumer(
        {
            "bootstrap.servers": os.environ["PROOF_KAFKA"],
            "group.id": "loop",
            "enable.auto.commit": False,
            "enable.auto.offset.store": False,
            "fetch.queue.backoff.ms": 5,
            "queued.max.messages.kbytes": 32_768,
        }
    )
    partitions = consumer.list_topics(topic).topics[topic].partitions
    kept = store.hgetall("positions")
    consumer.assign([TopicPartition(topic, n, int(kept.get(b"%d" % n, OFFSET_BEGINNING))) for n in partitions])
    while True:
        messages = [message for message in consumer.consume(BATCH, 0.025) if message.error() is None]
        if not messages:
            continue
        users = Counter(read(message.value())["user"] for message in messages)
        positions = {message.partition(): message.offset() + 1 for message in messages}
        with store.pipeline(transaction=True) as pipeline:
            for user, plays in users.items():
                pipeline.hincrby("plays", user, plays)
            pipeline.hset("positions", mapping=positions)
            pipeline.execute()
        count.add(len(messages))


if __name__ == "__main__":
    main()

"""Faust: an agent and a table in RocksDB with its changelog topic."""

from __future__ import annotations

import os

import faust

from benchmarks.prove_streams.peers.avro import reader
from benchmarks.prove_streams.peers.count import CountOfEach

app = faust.App(
    os.environ["PROOF_GROUP"],
    broker=f"kafka://{os.environ['PROOF_KAFKA']}",
    store="rocksdb://?driver=rocksdict",
    datadir=os.environ["PROOF_STATE"],
    topic_partitions=4,
    web_enabled=False,
)
topic = app.topic(
    os.environ["PROOF_TOPIC"], key_type=bytes, value_type=bytes, key_serializer="raw", value_serializer="raw"
)
plays = app.Table("plays_of_user", default=int, key_type=str, value_type=int)


@app.agent(topic)
async def count(events: faust.StreamT[bytes]) -> None:
    """Add one for each."""
    read, counted = reader(), CountOfEach()
    async for event in events:
        plays[read(event)["user"]] += 1
        counted.one()


if __name__ == "__main__":
    app.main()

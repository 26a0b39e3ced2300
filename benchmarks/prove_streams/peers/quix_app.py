"""Quix Streams: a stateful update by key; state in RocksDB with a changelog topic, as it is by default."""

from __future__ import annotations

import os
from typing import Any

from quixstreams import Application, State
from quixstreams.models import Deserializer

from benchmarks.prove_streams.peers.avro import reader
from benchmarks.prove_streams.peers.count import CountOfEach


class _Plays(Deserializer):
    """Its own reader for Avro goes by way of Confluent's; this one is quicker."""

    def __init__(self) -> None:
        super().__init__()
        self._read = reader()

    def __call__(self, value: bytes, ctx: Any) -> dict[str, Any]:
        return self._read(value)


def main() -> None:
    """Count until the process is ended."""
    count = CountOfEach()

    def add(play: dict[str, Any], state: State) -> None:
        state.set("plays", state.get("plays", 0) + 1)
        count.one()

    app = Application(
        broker_address=os.environ["PROOF_KAFKA"],
        consumer_group=os.environ["PROOF_GROUP"],
        auto_offset_reset="earliest",
        state_dir=os.environ["PROOF_STATE"],
        loglevel="WARNING",
    )
    topic = app.topic(os.environ["PROOF_TOPIC"], key_deserializer="str", value_deserializer=_Plays())
    app.dataframe(topic).update(add, stateful=True)
    app.run()


if __name__ == "__main__":
    main()

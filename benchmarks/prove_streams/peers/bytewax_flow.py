"""Bytewax: a stateful map by key, with its recovery on. Run by `python -m bytewax.run`."""

from __future__ import annotations

import os
from typing import Any

import bytewax.operators as op
from bytewax.connectors.kafka import KafkaSource
from bytewax.dataflow import Dataflow
from bytewax.outputs import DynamicSink, StatelessSinkPartition

from benchmarks.prove_streams.peers.avro import reader
from benchmarks.prove_streams.peers.count import Count

BATCH = 1_000
_read = reader()


class _Counting(StatelessSinkPartition[Any]):
    def __init__(self) -> None:
        self._count = Count()

    def write_batch(self, items: list[Any]) -> None:
        self._count.add(len(items))


class _Counted(DynamicSink[Any]):
    def build(self, step_id: str, worker_index: int, worker_count: int) -> _Counting:
        return _Counting()


def _add(plays: int | None, event: dict[str, Any]) -> tuple[int, int]:
    total = (plays or 0) + 1
    return total, total


source = KafkaSource([os.environ["PROOF_KAFKA"]], [os.environ["PROOF_TOPIC"]], batch_size=BATCH)
flow = Dataflow("plays_of_user")
plays = op.map("decode", op.input("plays", flow, source), lambda message: _read(message.value))
counts = op.stateful_map("count", op.key_on("user", plays, lambda play: play["user"]), _add)
op.output("counted", counts, _Counted())

"""The learner that writes a derived topic: every event's own bytes, under another key."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import ClassVar, cast

from learners.declaration import Declaration
from learners.derived import writer_of
from learners.emit import Emit
from learners.learner import FrameLearner
from learners.stream import stream
from schemas import EventType
from streams import Batch


class Repartition(FrameLearner):
    """Passes on what it reads. It is made by `repartition`."""

    target: ClassVar[Emit]

    def learn(self, batch: Batch) -> None:
        """Pass the batch's events on."""
        self.target.pass_on(batch)


def repartition(source: EventType, target: EventType) -> type[Repartition]:
    """The learner that writes the derived topic `target` from `source`."""
    parts = {
        "__module__": __name__,
        "__doc__": f"Writes {target.topic} from {source.topic}.",
        "name": writer_of(target.topic),
        "events": stream(source.topic),
        "target": Emit(target),
    }
    return cast("type[Repartition]", type("Repartition", (Repartition,), parts))


def with_repartitions(found: Sequence[Declaration], prefix: str, partitions: Callable[[str], int]) -> list[Declaration]:
    """Declarations as a worker runs them: a total order over several partitions is a derived topic, and each derived
    topic has a learner that writes it, before those that read it.

    Args:
        prefix: what the names of derived topics begin with.
        partitions: how many a topic has.
    """
    placed = [_placed(declaration, partitions).below(prefix) for declaration in found]
    writers: dict[str, Declaration] = {}
    known = {emit.topic for declaration in found for emit in declaration.emits.values()}
    for declaration in placed:
        source = declaration.source
        if source is None or declaration.topic in writers:
            continue
        marked = known | {source.topic} if declaration.source_emitted else known
        writer = Declaration.of(repartition(source, declaration.event_type), {source.topic: source}, marked)
        writers[declaration.topic] = replace(writer, stop_at=declaration.stop_at)
    return [*writers.values(), *placed]


def wanted_partitions(
    found: Sequence[Declaration], topic: str, source: str, partitions: Callable[[str], int]
) -> int | None:
    """How many partitions a topic has if it must be made for what is emitted from another: a derived one as many as its
    source, or one; None = as any topic."""
    readers = [item for item in found if item.topic == topic and item.source is not None]
    if not readers:
        return None
    return 1 if readers[0].total_order else partitions(source)


def _placed(declaration: Declaration, partitions: Callable[[str], int]) -> Declaration:
    if not declaration.total_order:
        return declaration
    if declaration.source is None and partitions(declaration.topic) == 1:
        return declaration
    return declaration.in_one_order()

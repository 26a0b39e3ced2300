"""What runs while a technology is attacked: a topic that is being written, and workers that fold it."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any

import polars as pl

from benchmarks.prove_storage.member import Line, Member, Tail, until
from benchmarks.prove_storage.nursery import Nursery
from benchmarks.prove_storage.product import PARTITIONS, event_type, learners, rating_events
from benchmarks.prove_storage.proxy import Proxy
from benchmarks.prove_storage.redis_cluster import Cluster
from benchmarks.prove_storage.targets import File, Running, Target
from learners.declaration import Declaration
from learners.homes import Homes
from schemas import RegistryClient
from storage import to_frame
from storage.technologies import opened
from streams import Kafka, Producer, Topics

MEMBERS = 2
MOST_BEHIND = 5.0
"""So many seconds of events behind, the workers are waited for: what they must catch up with at the end takes time."""
CATCH_UP = 180.0


class Stage:
    """The topic, its events so far, the members of the group, the server and the way to it.

    Attributes:
        events: all that were sent, in order.
    """

    def __init__(
        self,
        target: Target,
        running: Running | Cluster | File,
        derived: Mapping[str, str],
        proxy: Proxy | Cluster | None,
        kafka: str,
        registry: str,
        folder: Path,
    ) -> None:
        self.target, self.running, self.proxy = target, running, proxy
        self.topic = f"faults-{uuid.uuid4().hex[:8]}"
        self.events: list[dict[str, Any]] = []
        self._urls = {target.technology: running.url, **derived}
        self._learners = learners(self.topic, *self._urls)
        self._kafka, self._registry = Kafka(kafka), RegistryClient(registry)
        self._topics = Topics(self._kafka)
        self._topics.ensure(self.topic, PARTITIONS)
        self._registry.register(event_type(self.topic))
        self._nursery = Nursery(folder / "workers.log")
        arguments = {
            "kafka": kafka,
            "registry": registry,
            "technologies": self._urls if proxy is None else {**self._urls, target.technology: proxy.url},
            "topic": self.topic,
        }
        self.members = [Member(self._nursery, arguments, f"{self.topic}-{n}", folder) for n in range(MEMBERS)]
        self._enough = threading.Event()
        self._emitting = threading.Thread(target=self._emit, name="emitter")

    def begin(self) -> None:
        """Let events flow, and workers fold them; returns when both do."""
        self._emitting.start()
        for member in self.members:
            member.start()
        for member in self.members:
            member.until_line("delivered", member.process)

    def lines(self) -> Iterator[Line]:
        """Everything that was traced."""
        for member in self.members:
            yield from member.look()

    def finish(self) -> dict[str, pl.DataFrame]:
        """Send no more, wait until every learner has committed all of it, and read all rows: storage name -> frame."""
        self._enough.set()
        self._emitting.join()
        ends = {place[1]: high for place, (_, high) in self._topics.ends([self.topic]).items()}
        if sum(ends.values()) != len(self.events):
            raise RuntimeError(f"{len(self.events)} events were sent, and the log holds {sum(ends.values())}.")
        types = {self.topic: event_type(self.topic)}
        with ExitStack() as opening:
            technologies = {name: opening.enter_context(closing(opened(name, url))) for name, url in self._urls.items()}
            homes = [Homes.of(Declaration.of(item, types), technologies) for item in self._learners]
            return {name: frame for item in homes for name, frame in _rows(item, ends)}

    def close(self) -> None:
        """End everything that was begun here."""
        self._enough.set()
        self._nursery.close()
        if self._emitting.is_alive():
            self._emitting.join()
        self._topics.close()
        self._registry.close()

    def _emit(self) -> None:
        kind, begun = event_type(self.topic), time.monotonic()
        backlog = _Backlog([member.trace for member in self.members], [item.name for item in self._learners])
        with Producer(self._kafka, self._registry) as producer:
            for event in rating_events(seed=3):
                if self._enough.is_set():
                    break
                self.events.append(event)
                producer.send(kind, event)
                number = len(self.events)
                if number % 50 == 0:
                    begun += self._wait_for(backlog, number)
                    time.sleep(max(0.0, begun + number / self.target.pace - time.monotonic()))

    def _wait_for(self, backlog: _Backlog, sent: int) -> float:
        """Seconds waited until the workers are not too far behind."""
        start = time.monotonic()
        while sent - backlog.committed() > MOST_BEHIND * self.target.pace and not self._enough.wait(0.05):
            pass
        return time.monotonic() - start


class _Backlog:
    """How far all learners are, from the traces."""

    def __init__(self, traces: Sequence[Path], learners: Sequence[str]) -> None:
        self._tails = [Tail(path) for path in traces]
        self._learners = learners
        self._positions: dict[tuple[str, int], int] = {}

    def committed(self) -> int:
        """Events that every learner has committed."""
        lines: list[Line] = []
        for tail in self._tails:
            tail.into(lines)
        for line in lines:
            if "committed" in line:
                _, partition, position = line["committed"]
                unit = line["learner"], partition
                self._positions[unit] = max(position, self._positions.get(unit, 0))
        return sum(
            min(self._positions.get((learner, partition), 0) for learner in self._learners)
            for partition in range(PARTITIONS)
        )


@contextmanager
def staged(target: Target, kafka: str, registry: str, folder: Path) -> Iterator[Stage]:
    """Start everything in `folder`; on the way out stop it.

    Raises:
        StackError: the technology cannot be started on this machine.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with ExitStack() as started:
        running = started.enter_context(closing(target.start(folder)))
        proxy: Proxy | Cluster | None = running if isinstance(running, Cluster) else None
        if proxy is None and target.remote:
            proxy = started.enter_context(closing(Proxy(running.url)))
        derived: dict[str, str] = {}
        if target.derived is not None:
            other = started.enter_context(closing(target.derived.start(folder)))
            derived[target.derived.technology] = other.url
        yield started.enter_context(closing(Stage(target, running, derived, proxy, kafka, registry, folder)))


def _rows(homes: Homes, ends: Mapping[int, int]) -> Iterator[tuple[str, pl.DataFrame]]:
    """The rows of a learner's storages, once it is at the end."""
    declaration = homes.declaration
    version = declaration.learner.version

    def level() -> bool:
        return {state.unit.partition: state.next for state in homes.units(version)} == ends

    until(level, CATCH_UP, f"{declaration.name} reaching the end of the log")
    for storage, descriptor in zip(declaration.storages.values(), declaration.descriptors(version), strict=False):
        yield storage.name, to_frame(storage, homes.technologies[homes.places[storage.storage]], descriptor)

"""One platform as seen from this process: its addresses opened as the parts that learners and the service are given."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from functools import cached_property, partial
from typing import Protocol, TypeVar

from learners import DecisionCounts, Learner, Placement, goal_learner
from millrace.product import Product, ProductError
from millrace.settings import Settings
from schemas import Codec, Decision, EventType, RegistryClient
from storage import Catalogue, Opening, Reads, Technology, technologies
from streams import DeadLetters, Kafka, Producer, Topics


class _Closable(Protocol):
    def close(self) -> object: ...


Closing = TypeVar("Closing", bound=_Closable)


class Platform:
    """Opens each connection when it is first asked for; `close` lets go of what was opened."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.kafka = Kafka(settings.kafka, settings.kafka_options)
        self._opened: list[Callable[[], object]] = []

    @cached_property
    def registry(self) -> RegistryClient:
        """The schema registry's client; also the codec's source of writer schemas."""
        return self._open(RegistryClient(self.settings.registry_url))

    @cached_property
    def codec(self) -> Codec:
        """Decodes events by the registry's schemas."""
        return Codec(self.registry)

    @cached_property
    def topics(self) -> Topics:
        """Creates topics and tells where they end. Its calls block."""
        return self._open(Topics(self.kafka))

    @cached_property
    def producer(self) -> Producer:
        """This process's one producer."""
        return self._open(Producer(self.kafka, self.registry))

    @cached_property
    def dead_letters(self) -> DeadLetters:
        """Keeps what was refused, with its bytes, reason and position."""
        return DeadLetters(self.producer)

    @cached_property
    def technologies(self) -> Opening[Technology]:
        """The storages as learners write them, by technology: synchronous, fenced."""
        self._opened.append(self._close_technologies)
        return Opening(self._addresses, partial(technologies.opened, insecure=self.settings.allow_insecure_stores))

    def reads(self) -> Opening[Reads]:
        """The storages as the service reads them, by technology: asynchronous, coalesced."""
        return Opening(
            self._addresses, partial(technologies.opened_reads, insecure=self.settings.allow_insecure_stores)
        )

    @asynccontextmanager
    async def catalogue(self) -> AsyncIterator[Catalogue]:
        """Which storages there are, in every technology; not asked yet. For one event loop."""
        reads = self.reads()
        try:
            yield Catalogue(reads)
        finally:
            await asyncio.gather(*(one.close() for one in reads.opened.values()), return_exceptions=True)

    def _close_technologies(self) -> None:
        for technology in self.technologies.opened.values():
            technology.close()

    @property
    def _addresses(self) -> Mapping[str, str]:
        return {
            "redis": self.settings.redis_url,
            "cassandra": self.settings.cassandra_url,
            "relational": self.settings.relational_url,
            "search": self.settings.search_url,
        }

    def prepare(self, product: Product) -> None:
        """Register the product's event types and create their topics; does nothing where they are there. Blocks.

        Raises:
            IncompatibleSchema: the registry refuses a changed event type; the message says what would break.
        """
        for event_type in all_event_types(product).values():
            self.registry.register(event_type)
            partitions = product.options.get("topics", {}).get(event_type.topic, {}).get("partitions")
            self.topics.ensure(event_type.topic, partitions or self.settings.partitions)

    def close(self) -> None:
        """Close what was opened, last first. Blocks while the producer delivers what is left."""
        while self._opened:
            self._opened.pop()()

    def _open(self, part: Closing) -> Closing:
        self._opened.append(part.close)
        return part


def all_event_types(product: Product) -> Mapping[str, EventType]:
    """The product's event types and the platform's own, by topic."""
    return {**product.event_types, Decision.event_type.topic: Decision.event_type}


def placement(product: Product, settings: Settings) -> Placement:
    """Where the product's storages live: its table `[storages]`, then what they say themselves, then the platform.

    Raises:
        ProductError: the table does not map names to technologies.
    """
    table = product.options.get("storages", {})
    if not isinstance(table, Mapping) or not all(isinstance(value, str) for value in table.values()):
        raise ProductError(f'{product.folder}/product.toml: [storages] has lines like popular = "relational".')
    return Placement(settings.default_technology, table)


def all_learners(product: Product) -> list[type[Learner]]:
    """The product's learners, and those that count decisions and rewards where it declares goals.

    Raises:
        ProductError: a goal names a topic that the product has no event type for.
    """
    attribution: list[type[Learner]] = [DecisionCounts] if product.experiments else []
    for goal in product.goals:
        event_type = product.event_types.get(goal.topic)
        if event_type is None:
            known = ", ".join(product.event_types) or "none"
            raise ProductError(f"Goal {goal.name} counts events of topic {goal.topic!r}, which is not among {known}.")
        attribution.append(goal_learner(goal, event_type))
    return [*product.learners, *attribution]

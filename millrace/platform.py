"""One platform as seen from this process: its addresses opened as the parts that learners and the service are given."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import ExitStack, asynccontextmanager, closing, suppress
from functools import cached_property, partial
from typing import Protocol, TypeVar

from learners import DecisionCounts, Learner, Placement, goal_learner
from learners.placement import EVERY
from millrace.product import Product, ProductError
from millrace.settings import Settings
from millrace.wanted_topics import USUAL, WantedTopic, in_order, wanted_topics
from schemas import Audit, Codec, Decision, EventType
from schemas.avro import of_text
from schemas.compatibility import unreadable
from schemas.errors import IncompatibleSchema
from schemas.readers import Readers
from schemas.registry_keeper import RegistryKeeper
from storage import Catalogue, Opening, Reads, StorageError, Technology, technologies
from streams import DeadLetters, Kafka, KafkaTable, Letters, Looking, Origin, Producer, Stop, Stops, Topics

EXPERIMENTS = "experiments"
"""The topic that definitions of experiments are in."""
DEPLOYMENTS = "deployments"
"""The topic that products are deployed by."""
REPLAYS = "dead-letter-replays"
"""The topic that remembers which dead letters were put back."""
STOPS = "learner-stops"
"""The topic that remembers which units stand still."""
READERS = "schema-readers"
"""The topic that says who reads which topic by which schema."""
LINGER_MS = "100"
"""Milliseconds for which Kafka's client gathers decisions. It sends a partition's next batch only once the one before
is acknowledged; where that takes longer than this, its thread waits in a loop that takes a whole core."""

LOGGER = logging.getLogger("millrace.platform")


class _Closable(Protocol):
    def close(self) -> object: ...


Closing = TypeVar("Closing", bound=_Closable)


class Platform:
    """Opens each connection when it is first asked for; `close` lets go of what was opened."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.kafka = Kafka(settings.kafka, settings.kafka_options)
        self._opened = ExitStack()
        self._patience = 30.0

    @cached_property
    def registry(self) -> RegistryKeeper:
        """The schema registry's client; also the codec's source of writer schemas."""
        return self._open(RegistryKeeper(self.settings.registry_url))

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
        """This process's producer."""
        return self._producing(self.kafka)

    @cached_property
    def patient_producer(self) -> Producer:
        """One that gives no event up while Kafka is away: for those that are on disk too."""
        return self._producing(Kafka(self.kafka.bootstrap, {**self.kafka.options, "delivery.timeout.ms": "0"}))

    @cached_property
    def decisions_producer(self) -> Producer:
        """That of decisions, which nobody waits for: they go in few, large batches. See `LINGER_MS`."""
        return self._producing(Kafka(self.kafka.bootstrap, {"linger.ms": LINGER_MS, **self.kafka.options}))

    @cached_property
    def experiments(self) -> KafkaTable:
        """The definitions of experiments, as all replicas share them. Its calls block."""
        return self._open(KafkaTable(self.kafka, EXPERIMENTS))

    @cached_property
    def deployments(self) -> KafkaTable:
        """The products that are deployed, as all services and workers share them. Its calls block."""
        return self._open(KafkaTable(self.kafka, DEPLOYMENTS))

    def dead_letters(self, connector: str, task: int = 0) -> DeadLetters:
        """Keeps what was refused, with its bytes, reason and position. For the names see `Origin`."""
        return DeadLetters(self.producer, Origin(connector, task))

    @cached_property
    def letters(self) -> Letters:
        """Lists, shows and puts back dead letters. Its calls block."""
        table = self._open(KafkaTable(self.kafka, REPLAYS))
        return Letters(self.kafka, self.codec, lambda: self.producer, table)

    @cached_property
    def looking(self) -> Looking:
        """Looks for events in the logs. Its calls block."""
        return Looking(self.kafka, self.codec)

    @cached_property
    def stops(self) -> Stops:
        """Units that stand still, as all workers share them. Its calls block."""
        return Stops(self._open(KafkaTable(self.kafka, STOPS, timeout=5.0)))

    @cached_property
    def readers(self) -> Readers:
        """Who reads what, as all processes say of themselves. Its calls block."""
        return Readers(self._open(KafkaTable(self.kafka, READERS)))

    def go_on(self, learner: str, partition: int | None, by: str) -> list[Stop]:
        """Let a learner go on where it stands still: on all partitions, or on one. Bad events that are in the log now
        count no more, those that it cannot read count as bad. Blocks; returns the stops that were ended."""
        mine = [stop for stop in self.stops.standing() if stop.reader == learner]
        places = [(stop.topic, stop.partition) for stop in mine if partition in (None, stop.partition)]
        ends = self.topics.ends({topic for topic, _ in places}.intersection(self.topics.names()))
        past = {at: ends.get(at, (0, 0))[1] for at in places}  # a topic may be gone, and what stood still there with it
        return self.stops.go_on(learner, past, by)

    @cached_property
    def technologies(self) -> Opening[Technology]:
        """The storages as learners write them, by technology: synchronous, fenced."""
        self._opened.callback(self._close_technologies)
        return Opening(
            self.settings.addresses, partial(technologies.opened, insecure=self.settings.allow_insecure_stores)
        )

    def reads(self) -> Opening[Reads]:
        """The storages as the service reads them, by technology: asynchronous, coalesced."""
        insecure, room = self.settings.allow_insecure_stores, self.settings.near_cache_mb << 20
        return Opening(self.settings.addresses, partial(technologies.opened_reads, insecure=insecure, room=room))

    @asynccontextmanager
    async def catalogue(self, product: Product | None = None) -> AsyncIterator[Catalogue]:
        """Which storages there are, in every technology; not asked yet. For one event loop.

        Args:
            product: whose table `[storages]` says which is meant, where a name is in several technologies.
        """
        reads = self.reads()
        for name in reads:
            with suppress(StorageError):  # it is said to whoever reads there
                reads[name]  # drivers are loaded before anybody waits for an answer
        try:
            yield Catalogue(reads, placed(product, self.settings))
        finally:
            await asyncio.gather(*(one.close() for one in reads.opened.values()), return_exceptions=True)

    def _close_technologies(self) -> None:
        for technology in self.technologies.opened.values():
            technology.close()

    def prepare(self, product: Product) -> None:
        """Register the product's event types and create their topics; does nothing where they are there. Blocks.

        Raises:
            IncompatibleSchema: the registry refuses a changed event type; the message says what would break.
        """
        wanted = wanted_topics(product)
        for event_type in in_order([*all_event_types(product).values(), Audit.event_type], wanted):
            self.prepare_topic(event_type, wanted.get(event_type.topic, USUAL))

    def prepare_topic(self, event_type: EventType, wanted: WantedTopic = USUAL, readers: bool = True) -> int:
        """Register one event type and create its topic; see `prepare`. Returns the partitions that it has.

        Where the registry refuses it, but it reads what is registered, those who only read need no more.

        Args:
            wanted: of the topic, where it has to be made.
            readers: whether it is refused where a learner cannot read it.

        Raises:
            IncompatibleSchema: it is refused, and cannot read what is registered either.
        """
        try:
            self.registry.register(event_type, readers)
        except IncompatibleSchema as error:
            latest = self.registry.latest(event_type.subject)
            if latest is None or unreadable(event_type.schema, of_text(latest.schema)):
                raise
            LOGGER.warning(
                "Events of %s are read, but cannot be written as they are declared here: %s", event_type.topic, error
            )
        partitions = wanted.partitions or self.settings.partitions
        if wanted.sources:
            return self.topics.ensure_following(event_type.topic, partitions, wanted.sources, wanted.settings)
        return self.topics.ensure(event_type.topic, partitions, wanted.settings)

    def close(self, patience: float = 30.0) -> None:
        """Close what was opened, last first. Blocks while the producer delivers what is left, so many seconds at most.

        Raises:
            DeliveryFailed: Kafka has not acknowledged all of it; the rest is closed all the same.
        """
        self._patience = patience
        self._opened.close()

    def _producing(self, kafka: Kafka) -> Producer:
        producer = Producer(kafka, self.registry)
        self._opened.callback(lambda: producer.close(self._patience))
        return producer

    def _open(self, part: Closing) -> Closing:
        self._opened.callback(part.close)
        return part


def standing(settings: Settings, timeout: float) -> list[Stop]:
    """The units that stand still. Creates nothing; blocks up to some `timeout` seconds.

    Raises:
        KafkaUnavailable: no broker answers.
    """
    kafka = Kafka(settings.kafka, settings.kafka_options)
    with closing(Topics(kafka, timeout)) as topics:
        if STOPS not in topics.names():
            return []
    with closing(KafkaTable(kafka, STOPS, timeout)) as table:
        return Stops(table).standing()


def prefix_of(product: Product) -> str:
    """What the names of the product's derived topics begin with."""
    return f"{product.name}."


def all_event_types(product: Product) -> Mapping[str, EventType]:
    """The product's event types and the platform's own, by topic."""
    return {**product.event_types, Decision.event_type.topic: Decision.event_type}


def placed(product: Product | None, settings: Settings) -> Mapping[str, str]:
    """Where storages live of which there are several in several technologies. Raises as `placement` does."""
    own = {} if product is None else placement(product, settings).product
    return {EVERY: settings.default_technology, **own}


def placement(product: Product, settings: Settings) -> Placement:
    """Where the product's storages live: its table `[storages]`, then what they say themselves, then the platform.

    Raises:
        ProductError: the table does not map names to technologies.
    """
    table = product.options.get("storages", {})
    if not isinstance(table, Mapping) or not all(isinstance(value, str) for value in table.values()):
        raise ProductError(f'{product.folder}/product.toml: [storages] has lines like popular = "relational".')
    return Placement(settings.default_technology, table)


def all_learners(product: Product, counting: bool = True) -> list[type[Learner]]:
    """The product's learners, and those that count decisions and rewards where it declares goals: an experiment needs
    one, and may be started at any time.

    Args:
        counting: whether decisions are counted with this product; of several side by side only one may.

    Raises:
        ProductError: a goal names a topic that the product has no event type for.
    """
    attribution: list[type[Learner]] = [DecisionCounts] if product.goals and counting else []
    for goal in product.goals:
        event_type = product.event_types.get(goal.topic)
        if event_type is None:
            known = ", ".join(product.event_types) or "none"
            raise ProductError(f"Goal {goal.name} counts events of topic {goal.topic!r}, which is not among {known}.")
        attribution.append(goal_learner(goal, event_type))
    return [*product.learners, *attribution]


def learner_of(product: Product, name: str) -> type[Learner]:
    """One of the learners that a worker of this product runs. Raises ProductError where there is none of this name."""
    every = all_learners(product)
    for learner in every:
        if learner.name == name:
            return learner
    known = ", ".join(learner.name for learner in every) or "none"
    raise ProductError(f"{product.folder} has no learner {name!r}; it has {known}.")

"""Faust apps on our Kafka: our events and settings, dead letters, and nothing passed over that Kafka does not have.

Needs the extra `faust`, so nothing imports this module but who asks for an app. What Faust itself promises and what
not is in `docs/faust.md`.
"""

from __future__ import annotations

import asyncio
from functools import cached_property
from pathlib import Path
from typing import Any

import faust

from schemas import Codec, Event, EventType, RegistryClient, RegistryUnavailable
from streams.dead_letters.dead_letters import DeadLetters
from streams.dead_letters.headers import Origin
from streams.errors import StreamError
from streams.faust_broker import broker_options
from streams.faust_topic import EventTopic
from streams.faust_transport import Transport
from streams.kafka import LOGGER, Kafka
from streams.producer import Producer
from streams.rejected import Rejected
from streams.topics import Topics

REGISTRY_AGAIN = 1.0
"""Seconds until a registry that did not answer is asked again."""
_DEFAULTS: dict[str, Any] = {
    "broker_client_id": "millrace-faust",
    "consumer_auto_offset_reset": "earliest",
    "topic_disable_leader": True,  # a topic of its own, which only apps with leaders' tasks need
    "web_enabled": False,  # its pages ask nobody who they are; Faust's command line turns them on all the same
    "web_bind": "127.0.0.1",
}
_PROMISES: dict[str, Any] = {
    "processing_guarantee": "at_least_once",
    "producer_acks": -1,
    "agent_supervisor": "mode.supervisors.CrashingSupervisor",  # Faust's own goes on behind the event that failed
    "stream_publish_on_commit": False,
}


class FaustApp(faust.App):
    """A Faust app that reads and writes the events of our topics, each at least once.

    An agent that fails ends the worker, and so does a message that Kafka does not take: no position passes either, so
    the next worker reads the event again.

    Args:
        name: its consumer group, and what the topics of its tables begin with.
        partitions: of topics that it creates.
        folder: where Faust may keep files.
        options: Faust's own settings.

    Raises:
        StreamError: an option, here or one of Kafka's, cannot be had.
    """

    def __init__(
        self, name: str, kafka: Kafka, registry: RegistryClient, partitions: int, folder: Path, **options: Any
    ) -> None:
        for option, promised in _PROMISES.items():
            if options.get(option, promised) != promised:
                raise StreamError(f"{option} is {promised!r} here; at least once rests on it. Leave the option out.")
        self.failure: BaseException | None = None
        self._kafka, self._registry, self._codec = kafka, registry, Codec(registry)
        self._partitions, self._as_it_is = partitions, "topic_partitions" in options
        self._event_types: dict[str, EventType] = {}
        self._headers: set[bytes] = set()
        super().__init__(name, **{**_DEFAULTS, "datadir": folder, **options, **broker_options(kafka), **_PROMISES})

    def events(self, event: type[Event] | EventType) -> EventTopic:
        """The topic of an event type, for agents to read and to send to."""
        event_type = event if isinstance(event, EventType) else event.event_type
        self._event_types[event_type.topic] = event_type
        return EventTopic(self, event_type)

    def run(self, loglevel: str = "info") -> None:
        """Run a worker until SIGTERM or SIGINT; ends the process. Its log is on stderr."""
        faust.Worker(self, loglevel=loglevel).execute_from_commandline()

    def failed(self, error: BaseException) -> None:
        """From now on no position is committed, and the worker ends."""
        self.failure = self.failure or error

    def encoded(self, event_type: EventType, value: Any) -> bytes:
        """An event in the wire format. Its schema was registered when the app started."""
        return event_type.encode(self._registry.register(event_type), value)

    async def decoded(self, event_type: EventType, payload: bytes) -> Any:
        """An event of the declared class, or a dictionary where there is none. Waits for a registry that is away.

        Raises:
            SchemaError: it is none.
        """
        header = payload[:5]
        while header not in self._headers:
            try:
                await asyncio.to_thread(self._codec.decode, payload, event_type)
                self._headers.add(header)
            except RegistryUnavailable as error:
                LOGGER.warning("%s It is asked again.", error)
                await asyncio.sleep(REGISTRY_AGAIN)
        values = self._codec.decode(payload, event_type)
        return values if event_type.python is None else event_type.python.of(values)

    async def refuse(self, rejected: Rejected) -> None:
        """Keep an event among the dead letters; Kafka has it then."""
        LOGGER.warning("%s/%d/%d is refused: %s", rejected.topic, rejected.partition, rejected.offset, rejected.reason)
        await asyncio.to_thread(self._dead_letters.send, [rejected])

    async def on_first_start(self) -> None:
        """Make topics and register schemas before anything is read."""
        self.conf.datadir.parent.mkdir(parents=True, exist_ok=True)
        await super().on_first_start()
        read = {name for agent in self.agents.values() for name in agent.get_topic_names()}
        found = await asyncio.to_thread(self._prepare, read & self._event_types.keys())
        if len(found) == 1 and not self._as_it_is:
            self.conf.topic_partitions = found.pop()  # a table needs as many as what it is made of

    def _prepare(self, read: set[str]) -> set[int]:
        """The counts of partitions of the topics that are read."""
        topics = Topics(self._kafka)
        try:
            for name in self._event_types.keys() - set(topics.names()):
                topics.ensure(name, self._partitions)
            found = {topics.partitions(name) for name in read}
        finally:
            topics.close()
        for event_type in self._event_types.values():
            self._registry.register(event_type)
        return found

    async def _on_agent_error(self, agent: Any, exc: BaseException) -> None:
        self.failed(exc)  # Faust's own commits now, and so passes the event

    def _new_transport(self) -> Any:
        return Transport(self.conf.broker_consumer, self)

    @cached_property
    def _dead_letters(self) -> DeadLetters:
        return DeadLetters(Producer(self._kafka, self._registry), Origin(self.conf.id))

"""One member of a consumer group: reads the partitions it is given, from the positions that their owner keeps."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Collection, Mapping
from typing import Any

from confluent_kafka import (
    OFFSET_BEGINNING,
    KafkaError,
    KafkaException,
    Message,
    TopicPartition,
)
from confluent_kafka import Consumer as Client

from schemas import Codec, EventType
from streams.errors import PositionOutsideLog
from streams.fetched import Fetched, decode_together
from streams.held import Held, Stretch
from streams.idle import Idle
from streams.kafka import LOGGER, Kafka, log_client_error, passes_by_itself, said
from streams.membership import SESSION, must_fit, options, timing
from streams.owner import Owner, Partition
from streams.room import Room

_DEFAULTS: dict[str, Any] = {
    "fetch.queue.backoff.ms": 5,  # the default of a second starves a fast reader
    "fetch.error.backoff.ms": 50,
    "fetch.wait.max.ms": 20,  # a seek waits for the fetch under way
}
_PROMISES: dict[str, Any] = {
    "auto.offset.reset": "error",
    "enable.auto.commit": False,
    "enable.auto.offset.store": False,
    "enable.partition.eof": False,
    "fetch.min.bytes": 1,
}
_LEAST_FETCH = 1 << 20
"""Bytes; Kafka hands out a single message that is larger all the same."""
_LEAVING = 2.0


class Consumer:
    """Reads and decodes events; one thread at a time may use it.

    Static membership: a member that comes back under its name within the session timeout has its partitions back at
    once. The positions are the owner's; the group's own offsets (`note`) only feed lag tools.

    Args:
        codec: decodes the events, in columns where it can.
        group: the consumer group.
        member: this member's name, unlike all others' of its group, the same after a restart.
        event_types: the event type of each topic to read.
        owner: is told which partitions come and go, and says where each is read from.
        emitted: the topics among them that learners emit to, whose events say what they were emitted for.
        raw: the topics among them whose batches bring the messages too.
        session_timeout: seconds after which a silent member's partitions go to the others; Kafka allows 6 and more.
        protocol: "classic", or "consumer" (KIP-848), which leaves the session's length to the broker.
        memory: bytes for what is fetched and not handed out yet; half of it may be what was sent before it was asked
            for. One answer of a broker may exceed it.
    """

    def __init__(
        self,
        kafka: Kafka,
        codec: Codec,
        group: str,
        member: str,
        event_types: Mapping[str, EventType],
        owner: Owner,
        session_timeout: float = SESSION,
        protocol: str = "classic",
        memory: int = 64 << 20,
        emitted: Collection[str] = (),
        raw: Collection[str] = (),
    ) -> None:
        must_fit(protocol, kafka.options)
        self._emitted, self._raw = frozenset(emitted), frozenset(raw)
        self._codec, self._event_types, self._owner = codec, dict(event_types), owner
        self._positions: dict[Partition, int | None] = {}  # the next offset to hand out; None: the log's beginning
        self._unplaced: list[Partition] = []  # given to us, without a position yet
        self._placed_now: set[Partition] = set()  # got their position during the current poll
        self._paused: set[Partition] = set()
        self._held = Held(len(event_types) == 1)
        self._room = Room(memory // 4)
        self._stalled = False
        self._raised: Exception | None = None
        self._complaints: deque[Message] = deque()
        queued = max(_LEAST_FETCH, memory // 2)
        sizes = {"queued.max.messages.kbytes": queued >> 10, "fetch.max.bytes": max(_LEAST_FETCH, queued // 2)}
        identity = {"group.id": group, "client.id": member, "error_cb": log_client_error}
        defaults = {**_DEFAULTS, **sizes, **timing(protocol, session_timeout)}
        self._options = kafka.client(defaults, {**_PROMISES, **identity, **options(protocol, member)})
        self._lapse = session_timeout + 1.0  # seconds after which the group has forgotten a silent member
        self._idle, self._back = Idle(time.monotonic()), 0.0
        self._client = self._joined()

    def poll(self, timeout: float, limit: int, wait: float = 0.0) -> list[Fetched]:
        """Gather events for `timeout` seconds, or until there are about `limit` or there is no more memory for them;
        then decode them. Blocks.

        Args:
            wait: so many seconds may pass before that until the first is here; 0 = it is not waited for. If none comes,
                nothing is gathered.

        Returns:
            one `Fetched` for each partition that had events. Its batch begins where the last one ended: no event is
            skipped or handed out twice. With a timeout of 0 it has what is here already.

        Raises:
            PositionOutsideLog: a partition does not hold its position; it is read no further until `seek`.
            RegistryUnavailable: a schema could not be looked up.
            TopicMissing, MemberFenced, StreamError: Kafka refused to read on.
            Exception: whatever the owner raised.
            In every case nothing that was fetched is lost: a later poll hands it out, and little is fetched until then.
        """
        if self._is_away():
            time.sleep(max(0.0, min(wait or timeout, self._back - time.monotonic())))
            return []
        self._fetch(timeout, limit, wait)
        try:
            self._raise_what_was_told()
            found = self._decoded()
        except BaseException:
            self._stall()
            raise
        self._held.clear()
        self._flow()
        return found

    def seek(self, topic: str, partition: int, offset: int | None) -> None:
        """Read a partition on from `offset` (None: the beginning of its log). What was fetched before is dropped.

        Does nothing for a partition that is not, or no more, this member's.
        """
        at = (topic, partition)
        if at not in self._positions:
            return
        self._forget(at)
        self._positions[at] = offset
        place = _place(at, offset)
        try:
            self._client.seek(place)
        except KafkaException:
            # A partition that has no fetcher yet, or none any more since it failed, cannot seek.
            self._client.incremental_unassign([place])
            self._client.incremental_assign([place])
            if at in self._paused or self._stalled:
                self._client.pause([place])

    def pause(self, topic: str, partition: int) -> None:
        """Fetch nothing more from a partition until `resume`; what was fetched already may still be handed out."""
        if (topic, partition) in self._positions:
            self._paused.add((topic, partition))
            self._client.pause([TopicPartition(topic, partition)])

    def resume(self, topic: str, partition: int) -> None:
        """Fetch from a paused partition again, where it stood or was sought to."""
        self._paused.discard((topic, partition))
        if (topic, partition) in self._positions and not self._stalled:
            self._client.resume([TopicPartition(topic, partition)])

    def note(self, positions: Mapping[Partition, int]) -> None:
        """Tell Kafka how far the partitions are folded, for lag tools. Does not block; a failure is only logged."""
        offsets = [_place(at, position) for at, position in positions.items() if at in self._positions]
        try:
            if offsets:
                self._client.commit(offsets=offsets, asynchronous=True)
        except KafkaException as error:
            LOGGER.info("The group's offsets were not noted: %s", error.args[0].str())

    def ends(self) -> dict[Partition, int]:
        """The ends of this member's partitions, as of their last fetch; those never fetched are left out."""
        ends = {}
        for topic, partition in self._positions:
            found = self._client.get_watermark_offsets(TopicPartition(topic, partition), cached=True)
            if found is not None and found[1] >= 0:
                ends[topic, partition] = found[1]
        return ends

    def leave(self) -> None:
        """Give all partitions back, so that the others have them at once. Blocks for two seconds at most; `close` must
        follow."""
        if self._back:
            return
        until = time.monotonic() + _LEAVING
        self._client.unsubscribe()  # to close alone would not be a leave: a static member keeps what it has
        while self._positions and time.monotonic() < until:
            self._client.poll(0.05)

    def close(self) -> None:
        """Leave Kafka alone. The partitions stay this member's until its session times out. Blocks shortly."""
        if not self._back and not self._ending:
            self._end()
        self._held.clear()
        self._positions.clear()

    def _end(self) -> None:
        """End the client. Partitions that the group has just given it are refused first: Kafka's client was seen to
        wait for ever where these were answered while it closed."""
        self._ending = True
        self._client.poll(0)
        self._client.close()

    def _joined(self) -> Client:
        self._ending = False
        client = Client(self._options, logger=LOGGER)
        client.subscribe(
            list(self._event_types), on_assign=self._on_assign, on_revoke=self._on_revoke, on_lost=self._on_lost
        )
        return client

    def _is_away(self) -> bool:
        """Whether it lets its membership lapse just now; see `idle`."""
        now = time.monotonic()
        if not self._back and self._idle.must_lapse(now, bool(self._positions or self._unplaced)):
            self._end()
            self._back = now + self._lapse
        elif self._back and now >= self._back:
            self._client, self._back = self._joined(), 0.0
        return bool(self._back)

    def _fetch(self, timeout: float, limit: int, wait: float) -> None:
        """Serve the group, and add new messages to those held."""
        self._place()
        before, waiting = set(self._positions), len(self._held)
        self._placed_now.clear()
        try:
            count = self._room.messages(limit - waiting)
            blocks = self._stalled or not waiting
            messages = self._gathered(count, timeout, wait) if blocks else self._client.consume(count, 0)
        except KafkaException as failure:
            raise said(failure.args[0], "Reading") from failure
        if any(map(Message.error, messages)):  # one pass in C: there are many messages
            self._complaints.extend(message for message in messages if message.error() is not None)
            messages = [message for message in messages if message.error() is None]
        self._room.took(messages)
        again = before & self._placed_now
        self._held.add(messages, {at: position for at, position in self._positions.items() if at not in again})
        for topic, partition in again:  # left and came back within one fetch: which messages are stale is unknown
            self.seek(topic, partition, self._positions[topic, partition])

    def _gathered(self, count: int, timeout: float, wait: float) -> list[Message]:
        """What has come `timeout` seconds after the first."""
        if not wait:
            return self._client.consume(count, timeout)
        first = self._client.consume(1, wait)
        return first + self._client.consume(count - 1, timeout) if first and count > 1 else first

    def _decoded(self) -> list[Fetched]:
        """What is held, decoded; the positions move behind it."""
        by_topic: dict[str, list[tuple[int | None, Stretch]]] = {}
        for at, stretch in self._held.items():
            by_topic.setdefault(at[0], []).append((self._positions[at], stretch))
        found = []
        for topic, stretches in by_topic.items():
            emitted, raw = topic in self._emitted, topic in self._raw
            found += decode_together(stretches, self._codec, self._event_types[topic], emitted, raw)
        for fetched in found:
            self._positions[fetched.batch.topic, fetched.batch.partition] = fetched.batch.next
        return found

    def _raise_what_was_told(self) -> None:
        """Raise what the owner raised, or the next thing that Kafka complained of."""
        if self._raised is not None:
            raised, self._raised = self._raised, None
            raise raised
        while self._complaints:
            self._complain(self._complaints.popleft())

    def _complain(self, message: Message) -> None:
        """Raise what an error among the messages says, unless it passes by itself."""
        error = message.error()
        assert error is not None
        topic, partition = message.topic(), message.partition()
        if error.code() == KafkaError._AUTO_OFFSET_RESET and topic is not None and partition is not None:
            self._outside(message, (topic, partition))
        elif passes_by_itself(error):
            LOGGER.info("Reading from %s: %s", topic, error.str())
        else:
            raise said(error, f"Reading from {topic or 'Kafka'}", topic)

    def _outside(self, message: Message, at: Partition) -> None:
        if at not in self._positions:
            return
        position = self._positions[at]
        if position is None:  # retention moved the beginning while it was looked up
            self.seek(*at, None)
            return
        try:
            ends = self._client.get_watermark_offsets(TopicPartition(*at), timeout=10)
        except KafkaException as failure:
            self._complaints.appendleft(message)
            raise said(failure.args[0], f"Asking for the ends of {at[0]}", at[0]) from failure
        raise PositionOutsideLog(*at, position, *(ends or (-1, -1)))

    def _on_assign(self, client: Client, given: list[TopicPartition]) -> None:
        if not self._ending:  # one answer ends a client that is closing, and it would never take a second one
            self._unplaced.extend(_partition(place) for place in given)
            self._place()
        client.incremental_assign([])  # the group waits for an answer, even to an empty list

    def _place(self) -> None:
        """Ask the owner where to read the partitions that have no position yet, and begin there."""
        if not self._unplaced:
            return
        asked = list(self._unplaced)
        try:
            positions = self._owner.assigned(asked)
            places = [_place(at, positions[at]) for at in asked]
        except Exception as error:
            # Raised by the poll: through librdkafka it would take the fetched messages along. The next one asks again.
            self._raised = error
            return
        self._client.incremental_assign(places)
        self._unplaced.clear()
        self._positions.update((at, positions[at]) for at in asked)
        self._placed_now.update(asked)
        if self._stalled:
            self._client.pause(places)

    def _on_revoke(self, client: Client, taken: list[TopicPartition]) -> None:
        self._drop(client, taken)
        self._tell(self._owner.revoked, taken)

    def _on_lost(self, client: Client, taken: list[TopicPartition]) -> None:
        self._drop(client, taken)
        self._tell(self._owner.lost, taken)

    def _drop(self, client: Client, taken: list[TopicPartition]) -> None:
        gone = [_partition(place) for place in taken]
        placed = [place for place in taken if _partition(place) in self._positions]
        for at in gone:
            self._forget(at)
            self._paused.discard(at)
            self._positions.pop(at, None)
        self._unplaced = [at for at in self._unplaced if at not in gone]
        client.incremental_unassign(placed)

    def _tell(self, owner: Callable[[list[Partition]], None], taken: list[TopicPartition]) -> None:
        try:
            if taken:
                owner([_partition(place) for place in taken])
        except Exception as error:
            self._raised = error

    def _forget(self, at: Partition) -> None:
        """Drop what was fetched from a partition, and what was said of it."""
        self._held.drop(at)
        self._complaints = deque(item for item in self._complaints if (item.topic(), item.partition()) != at)

    def _stall(self) -> None:
        """Fetch nothing more while what is held cannot be handed out."""
        self._stalled = True
        self._client.pause([TopicPartition(*at) for at in self._positions])

    def _flow(self) -> None:
        """Fetch again, if it was stalled."""
        if self._stalled:
            self._stalled = False
            self._client.resume([TopicPartition(*at) for at in self._positions if at not in self._paused])


def _partition(place: TopicPartition) -> Partition:
    return place.topic, place.partition


def _place(at: Partition, offset: int | None) -> TopicPartition:
    return TopicPartition(*at, OFFSET_BEGINNING if offset is None else offset)

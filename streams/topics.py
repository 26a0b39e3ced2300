"""The topics of a cluster: made, counted and measured."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from concurrent.futures import Future
from datetime import datetime
from typing import Any, TypeVar

from confluent_kafka import KafkaError, KafkaException, TopicCollection, TopicPartition
from confluent_kafka.admin import (  # type: ignore[attr-defined]
    AdminClient,
    ConfigResource,
    ConfigSource,
    NewTopic,
    OffsetSpec,
)

from streams.errors import KafkaUnavailable, TopicMissing
from streams.kafka import LOGGER, Kafka, log_client_error, passes_by_itself, said
from streams.retention import Retention, longest

Answer = TypeVar("Answer")


class Topics:
    """Creates topics and tells where they begin and end. Every call blocks for an answer of Kafka's.

    Each raises `KafkaUnavailable` when no broker answers within `timeout` seconds.
    """

    def __init__(self, kafka: Kafka, timeout: float = 10.0) -> None:
        self._bootstrap, self._timeout = kafka.bootstrap, timeout
        self._client = AdminClient(kafka.client({}, {"error_cb": log_client_error}), logger=LOGGER)

    def ensure(self, name: str, partitions: int = 4, config: Mapping[str, str] | None = None) -> int:
        """Create a topic unless it exists; returns once it can be written to.

        Args:
            config: the topic's settings under Kafka's names; left alone when the topic exists.

        Returns:
            the partitions it has. An existing topic keeps its own; a difference is also logged.
        """
        topic = NewTopic(name, num_partitions=partitions, replication_factor=-1, config=dict(config or {}))
        try:
            self._answer(self._client.create_topics([topic], request_timeout=self._timeout)[name], f"Creating {name}")
        except KafkaException as failure:
            if failure.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
                raise said(failure.args[0], f"Creating the topic {name}") from failure
        found = self._until_led(name)
        self.ends([name])
        if found != partitions:
            LOGGER.warning("Topic %s has %d partitions, not %d: it existed before.", name, found, partitions)
        return found

    def ensure_following(
        self, name: str, partitions: int, sources: Iterable[str], config: Mapping[str, str] | None = None
    ) -> int:
        """Create a topic whose events follow from those of others, unless it exists: it keeps them as long as those do.
        One that exists and keeps them less long is left alone, and that is logged.

        Args:
            config: settings in place of those, under Kafka's names; empty = as the sources.

        Returns:
            the partitions it has.
        """
        known = self._known()
        there = [] if config else [source for source in sources if source in known]
        wanted = longest(self.retentions(there).values()) if there else None
        if name not in known:
            return self.ensure(name, partitions, config if wanted is None else wanted.settings(partitions))
        kept = self.retentions([name])[name]
        if wanted is not None and kept.shorter(wanted):
            LOGGER.warning(
                "Topic %s keeps its events %s, and those that they follow from, in %s, stay %s: a new version of a "
                "learner folds less of it than there is. Let it keep them as long (kafka-configs.sh --alter), or say "
                "in product.toml how long it does.",
                *(name, kept, " and ".join(there), wanted),
            )
        return known[name]

    def partitions(self, name: str) -> int:
        """How many partitions a topic has. Raises `TopicMissing`."""
        found = self._known().get(name)
        if found is None:
            raise TopicMissing(name)
        return found

    def names(self) -> list[str]:
        """All topics but Kafka's own, sorted."""
        return sorted(name for name in self._known() if not name.startswith("__"))

    def ends(self, names: Iterable[str]) -> dict[tuple[str, int], tuple[int, int]]:
        """For each partition of the topics the first offset it holds and the one after its last.

        Raises:
            TopicMissing: one of them does not exist.
        """
        known = self._known()
        places = []
        for name in names:
            if name not in known:
                raise TopicMissing(name)
            places += [TopicPartition(name, partition) for partition in range(known[name])]
        lows = self._offsets(places, OffsetSpec.earliest())  # type: ignore[no-untyped-call]
        highs = self._offsets(places, OffsetSpec.latest())  # type: ignore[no-untyped-call]
        return {at: (low, highs[at]) for at, low in lows.items()}

    def retentions(self, names: Iterable[str]) -> dict[str, Retention]:
        """How long topics keep their events.

        Raises:
            TopicMissing: one of them does not exist.
        """
        wanted, known = list(names), self._known()
        if missing := set(wanted) - known.keys():
            raise TopicMissing(min(missing))
        found = {}
        for name, entries in self._settings(wanted).items():
            own = [key for key, entry in entries.items() if entry.source == ConfigSource.DYNAMIC_TOPIC_CONFIG.value]
            found[name] = Retention.of({key: entry.value for key, entry in entries.items()}, own, known[name])
        return found

    def offsets_at(self, name: str, moment: datetime) -> dict[int, tuple[int, int]]:
        """For each partition of a topic the first offset that it holds, and that of the first event which the log took
        from a moment on; where there is none yet, the one after its last.

        Raises:
            TopicMissing: it does not exist.
        """
        ends = self.ends([name])
        places = [TopicPartition(name, partition) for _, partition in ends]
        found = self._offsets(places, OffsetSpec.for_timestamp(round(moment.timestamp() * 1000)))
        return {at[1]: (low, found[at] if found[at] >= 0 else high) for at, (low, high) in ends.items()}

    def identity(self, name: str) -> str:
        """What tells a topic from one of the same name that was deleted before. Raises `TopicMissing`."""
        answers = self._client.describe_topics(TopicCollection([name]), request_timeout=self._timeout)
        try:
            return str(self._answer(answers[name], f"Asking for the topic {name}").topic_id)
        except KafkaException as failure:
            raise said(failure.args[0], f"Asking for the topic {name}", name) from failure

    def config(self, name: str) -> dict[str, str]:
        """A topic's settings under Kafka's names, those that it has from its broker too."""
        entries = self._settings([name])[name]
        return {setting: entry.value for setting, entry in entries.items() if entry.value is not None}

    def close(self) -> None:
        """Let go of the connection."""
        del self._client

    def _offsets(self, places: list[TopicPartition], spec: OffsetSpec) -> dict[tuple[str, int], int]:
        """Ask again while a broker does not know yet that it leads a partition: it was just made, or has moved."""
        until = time.monotonic() + self._timeout
        while True:
            try:
                return self._offsets_now(places, spec)
            except KafkaException as failure:
                if not passes_by_itself(failure.args[0]) or time.monotonic() > until:
                    raise said(failure.args[0], "Asking for offsets") from failure
            time.sleep(0.02)

    def _offsets_now(self, places: list[TopicPartition], spec: OffsetSpec) -> dict[tuple[str, int], int]:
        if not places:
            return {}
        answers = self._client.list_offsets(dict.fromkeys(places, spec), request_timeout=self._timeout)
        return {
            (place.topic, place.partition): self._answer(answer, "Asking for offsets").offset
            for place, answer in answers.items()
        }

    def _settings(self, names: Iterable[str]) -> dict[str, dict[str, Any]]:
        """What Kafka knows of these topics' settings, by topic and setting."""
        asked = {name: ConfigResource(ConfigResource.Type.TOPIC, name) for name in names}
        answers = self._client.describe_configs([*asked.values()], request_timeout=self._timeout) if asked else {}
        found = {}
        for name, resource in asked.items():
            try:
                found[name] = self._answer(answers[resource], f"Asking for the settings of {name}")
            except KafkaException as failure:
                raise said(failure.args[0], f"Asking for the settings of the topic {name}", name) from failure
        return found

    def _known(self) -> dict[str, int]:
        """Partitions by topic. Asks for all topics: asking for one by name may create it."""
        try:
            found: dict[str, Any] = self._client.list_topics(timeout=self._timeout).topics
        except KafkaException as failure:
            raise said(failure.args[0], f"Asking {self._bootstrap} for its topics") from failure
        return {name: len(topic.partitions) for name, topic in found.items() if topic.error is None}

    def _until_led(self, name: str) -> int:
        """Wait until the brokers know the topic and each partition has a leader."""
        until = time.monotonic() + self._timeout
        while time.monotonic() < until:
            try:
                topic = self._client.list_topics(timeout=self._timeout).topics.get(name)
            except KafkaException as failure:
                raise said(failure.args[0], f"Asking for the topic {name}") from failure
            if topic is not None and topic.error is None and _led(topic.partitions):
                return len(topic.partitions)
            time.sleep(0.02)
        raise KafkaUnavailable(f"Topic {name} has no leader {self._timeout:.0f} s after it was created.")

    def _answer(self, answer: Future[Answer], doing: str) -> Answer:
        try:
            return answer.result(timeout=self._timeout + 1)
        except TimeoutError as error:
            raise KafkaUnavailable(f"{doing}: {self._bootstrap} did not answer.") from error


def _led(partitions: Mapping[int, Any]) -> bool:
    """Whether there are partitions, each with a leader."""
    return bool(partitions) and all(partition.leader >= 0 for partition in partitions.values())

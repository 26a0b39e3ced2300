"""Where Kafka is, and how its clients are configured and their errors said."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from confluent_kafka import KafkaError

from streams.errors import KafkaUnavailable, MemberFenced, StreamError, TopicMissing

LOGGER = logging.getLogger("millrace.streams")
LOGGER.addFilter(lambda record: "enable.gapless.guarantee is experimental" not in record.getMessage())

_UNAVAILABLE = {
    KafkaError._TRANSPORT,
    KafkaError._ALL_BROKERS_DOWN,
    KafkaError._TIMED_OUT,
    KafkaError._RESOLVE,
    KafkaError._TIMED_OUT_QUEUE,
    KafkaError._MSG_TIMED_OUT,
    KafkaError.REQUEST_TIMED_OUT,
    KafkaError.COORDINATOR_NOT_AVAILABLE,
    KafkaError.LEADER_NOT_AVAILABLE,
}
_MOVING = {
    KafkaError.NOT_LEADER_FOR_PARTITION,
    KafkaError.OFFSET_NOT_AVAILABLE,
    KafkaError.FENCED_LEADER_EPOCH,
    KafkaError.UNKNOWN_LEADER_EPOCH,
    KafkaError.KAFKA_STORAGE_ERROR,
    KafkaError.NOT_COORDINATOR,
    KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
}
"""A broker is stopping, or takes over from another."""
_PASSING = {
    *_UNAVAILABLE,
    *_MOVING,
    KafkaError.REBALANCE_IN_PROGRESS,
    KafkaError._MAX_POLL_EXCEEDED,  # the next poll joins the group again
}
UNKNOWN_TOPIC = {KafkaError._UNKNOWN_TOPIC, KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError._UNKNOWN_PARTITION}


@dataclass(frozen=True)
class Kafka:
    """A Kafka cluster's address.

    Args:
        bootstrap: one broker or several, comma separated.
        options: passed to librdkafka under its own names, such as `security.protocol` or `delivery.timeout.ms`. They
            win over Millrace's defaults, but not over the options that its guarantees rest on.
    """

    bootstrap: str = "127.0.0.1:19092"
    options: Mapping[str, str] = field(default_factory=dict, repr=False)  # it may hold a password

    def client(self, defaults: Mapping[str, Any], promises: Mapping[str, Any]) -> dict[str, Any]:
        """A client's configuration: `defaults`, then the options, then `promises`, which no option may change."""
        return {**_DEFAULTS, **defaults, **self.options, "bootstrap.servers": self.bootstrap, **promises}


_DEFAULTS = {
    "socket.nagle.disable": True,
    "reconnect.backoff.ms": 50,
    "reconnect.backoff.max.ms": 1_000,  # a restarted broker is found again within a second
    "metadata.recovery.strategy": "none",  # "rebootstrap" connects fifty times a second while no broker is up
}


def said(error: KafkaError, doing: str, topic: str | None = None) -> StreamError:
    """The error of this room for one of Kafka's.

    Args:
        doing: what was being done, as the start of a sentence ("Reading from ratings").
        topic: the topic that was addressed, if it was one.
    """
    code = error.code()
    if topic is not None and code in UNKNOWN_TOPIC:
        return TopicMissing(topic)
    text = f"{doing} failed: {error.str()} ({error.name()})."
    if code in _UNAVAILABLE:
        return KafkaUnavailable(f"{text} Is Kafka running, and is the setting `kafka`, its address, right?")
    if code in _MOVING:
        return KafkaUnavailable(f"{text} A broker is stopping, or takes over from another; it passes by itself.")
    # A fatal error's fatal() can be false; its code tells (seen with static members).
    if code == KafkaError.FENCED_INSTANCE_ID or (code == KafkaError._FATAL and "fenced" in error.str().lower()):
        return MemberFenced(
            f"{text} Another process runs under the same member name; stop one, or name them apart (--name)."
        )
    return StreamError(text)


def passes_by_itself(error: KafkaError) -> bool:
    """Whether the client, or another try, gets over this error. (`KafkaError.retriable()` is always false here.)"""
    return not error.fatal() and error.code() in _PASSING


def log_client_error(error: KafkaError) -> None:
    """Client-wide errors (a broker that is away) pass by themselves, or come back with the call they break."""
    LOGGER.info("Kafka client: %s (%s)", error.str(), error.name())

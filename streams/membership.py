"""How a consumer is a member of its group: by Kafka's classic protocol, or by the newer one (KIP-848).

By the newer one no member is static: one that comes back under its name is refused until the session of its dead
predecessor has passed (by a fatal error), and what a static member gives back when it leaves stays nobody's as long.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, get_args

from streams.errors import StreamError

Protocol = Literal["classic", "consumer"]
PROTOCOLS: tuple[str, ...] = get_args(Protocol)

SESSION = 6.0
"""Seconds after which a silent member's partitions go to the others: the least that Kafka allows."""
_BY_BROKER = ("session.timeout.ms", "heartbeat.interval.ms", "partition.assignment.strategy", "group.protocol.type")
"""Options that the newer protocol leaves to the broker; librdkafka refuses them there."""


def options(protocol: str, member: str) -> dict[str, Any]:
    """librdkafka's options for one member."""
    if protocol == "consumer":
        return {"group.protocol": "consumer", "group.remote.assignor": "uniform"}
    return {
        "group.protocol": "classic",
        "group.instance.id": member,
        "partition.assignment.strategy": "cooperative-sticky",
    }


def timing(protocol: str, session_timeout: float) -> dict[str, Any]:
    """The defaults of what a user may set.

    Args:
        session_timeout: seconds; the newer protocol leaves it to the broker.
    """
    if protocol == "consumer":
        return {}
    # members hear of a rebalance by a heartbeat
    return {"session.timeout.ms": round(session_timeout * 1000), "heartbeat.interval.ms": 500}


def must_fit(protocol: str, given: Mapping[str, str]) -> None:
    """Check the protocol, and the options that a user passes to librdkafka.

    Raises:
        StreamError: there is no such protocol, or an option contradicts it.
    """
    if protocol not in PROTOCOLS:
        raise StreamError(f"There is no consumer protocol {protocol!r}; known are {', '.join(PROTOCOLS)}.")
    refused = sorted(set(_BY_BROKER).intersection(given)) if protocol == "consumer" else []
    if refused:
        raise StreamError(
            f"The consumer protocol leaves {', '.join(refused)} to the broker, where it is an option of the group, but "
            'the setting `kafka_options` sets it. Take it out there, or set consumer_protocol = "classic".'
        )

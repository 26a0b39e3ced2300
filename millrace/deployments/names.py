"""What of a product must be its own: no two products may have it."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from millrace.platform import DEPLOYMENTS, EXPERIMENTS
from schemas import Audit, Decision


class Names(msgspec.Struct, frozen=True):
    """What no two products may both have, and the keys of topics, which they must agree on."""

    endpoints: list[str] = []
    learners: list[str] = []
    storages: list[str] = []
    goals: list[str] = []
    topics: dict[str, str | None] = {}
    counts: bool = False
    """Whether decisions have to be counted, as it declares goals. Of several such products one does."""


def clashes(mine: Names, others: Mapping[str, Names]) -> list[str]:
    """What of a product another one has already, a sentence each.

    Args:
        others: by product.
    """
    found = [
        f"The topic {topic} is the platform's own; let your events have another one."
        for topic in mine.topics
        if topic in _PLATFORM or topic.startswith("_")
    ]
    for other, theirs in others.items():
        for kind, called in _CALLED.items():
            for name in sorted(set(getattr(mine, kind)) & set(getattr(theirs, kind))):
                found.append(f"The {called} {name} is {other}'s already; give yours another name.")
        for topic in sorted(mine.topics.keys() & theirs.topics.keys()):
            if mine.topics[topic] != theirs.topics[topic]:
                found.append(
                    f"The events of {topic} have the key {theirs.topics[topic]} in {other}, and {mine.topics[topic]} "
                    "here; one topic is split by one key."
                )
    return found


_PLATFORM = frozenset({DEPLOYMENTS, EXPERIMENTS, Decision.event_type.topic, Audit.event_type.topic})
_CALLED = {"endpoints": "endpoint type", "learners": "learner", "storages": "storage", "goals": "goal"}

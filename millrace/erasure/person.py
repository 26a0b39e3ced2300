"""Who is looked for, and in which events."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from millrace.archive import every_event_type
from millrace.platform import Platform
from schemas import Decision, EventType

OURS = {Decision.event_type.topic: "unit"}
"""Whom the platform's own events are about."""


@dataclass(frozen=True)
class Person:
    """One person, and what is known of events.

    Attributes:
        subject: the person, as events name it.
        types: every registered event type, by topic.
        about: of the topics that say whom their events are about, the field that does.
    """

    subject: str
    types: Mapping[str, EventType]
    about: Mapping[str, str]

    @classmethod
    def of(cls, platform: Platform, subject: str) -> Person:
        """By what is registered now. Blocks."""
        types = {one.topic: one for one in every_event_type(platform.registry)}
        declared = {topic: one.about for topic, one in types.items() if one.about is not None}
        return cls(subject, types, declared | {topic: name for topic, name in OURS.items() if topic in types})

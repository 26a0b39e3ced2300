"""What a learner keeps of its streams beside its storages: told from these by its name, after the learner's."""

from __future__ import annotations

from storage.descriptor import Descriptor

SEEN = "_seen_ids"
"""The ids of events, of a learner that drops repeats."""
MARKS = "_marks"
"""How far each source's emissions are folded, of a learner that reads an emitted topic."""
EVENT_TIME = "_event_time"
"""The watermark, of a learner that says which events are late."""
EMITTED = "_emitted"
"""The partitions of the topics that a learner emits to."""


def kept(item: Descriptor) -> str:
    """Which of these a storage is; "" for one that the learner declares."""
    learner, _, _ = item.writer.partition("@")
    ending = item.name.removeprefix(learner)
    return ending if item.format == "records" and ending in (SEEN, MARKS, EVENT_TIME, EMITTED) else ""

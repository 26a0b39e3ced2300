"""What a declaration makes of what exists. Pure; a technology swaps one descriptor for another in one atomic step."""

from __future__ import annotations

from dataclasses import replace

from storage.conflict import conflict
from storage.descriptor import Descriptor
from storage.errors import StorageBusy, StorageConflict


def settled(existing: Descriptor | None, wanted: Descriptor) -> Descriptor:
    """The descriptor that is there once `wanted` is declared: itself, what exists, or, where a storage was created
    before anybody wrote it, that storage with its writer.

    Raises:
        StorageConflict: it exists with another meaning, or by another writer.
        StorageBusy: it is being filled or deleted.
    """
    if existing is None:
        return wanted
    if existing.state != wanted.state:
        raise StorageBusy(
            f"{existing.title} exists already and is {existing.state}; wait for that to end, or take another version."
        )
    if not existing.writer and wanted.writer:
        problem = conflict(replace(existing, writer=wanted.writer, topic=wanted.topic), wanted)
        if problem is None:
            return replace(wanted, created=existing.created, made_by=existing.made_by)
        raise StorageConflict(
            f"{problem} No learner has written it yet: if nobody needs it, `millrace storages delete {existing.title}` "
            "makes room."
        )
    if problem := conflict(existing, wanted):
        raise problem
    return existing

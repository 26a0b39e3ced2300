"""The archive of a platform: where it is, which topics ask for it, and the process that writes it."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import closing
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from millrace.interpreter import settle_for_events
from millrace.logs import say_on_stderr
from millrace.platform import Platform
from millrace.settings import Settings
from millrace.told_to_stop import told_to_stop
from schemas import EventType, RegistryClient
from schemas.errors import MillraceError, SchemaError
from schemas.event_type import VALUE, registered
from schemas.redaction import redacted
from schemas.registry_keeper import RegistryKeeper

if TYPE_CHECKING:
    from streams.archive import ArchiveTable, Shelf


LOGGER = logging.getLogger("millrace.archive")
ENDING = 25
"""Seconds that the process takes to end, at most."""


class ArchiveMissing(MillraceError):
    """The extra `archive` is not installed, or there is no such archive."""


def shelf_of(settings: Settings) -> Shelf:
    """Where a platform's archive is.

    Raises:
        ArchiveMissing: the extra is not installed.
        ArchiveRefused: `archive_pii_key` is none.
    """
    try:
        from streams.archive import Pseudonyms, Shelf
    except ModuleNotFoundError as error:
        if error.name != "deltalake":
            raise
        raise ArchiveMissing("An archive needs the extra `archive`; pip install 'millrace[archive]'.") from error
    url = settings.archive_url or str((settings.state_dir / "archive").absolute())
    return Shelf(url, settings.archive_options, Pseudonyms.of_text(settings.archive_pii_key))


def event_type_of(registry: RegistryClient, topic: str) -> EventType:
    """A topic's event type as it is registered now. Blocks.

    Raises:
        ArchiveMissing: nothing is registered for the topic.
    """
    found = registry.latest(topic + VALUE)
    if found is None:
        raise ArchiveMissing(f"No schema is registered for the topic {topic!r}; see `millrace schemas list`.")
    return registered(found.subject, found.schema)


def asking(registry: RegistryKeeper) -> dict[str, EventType]:
    """The event types that ask to be archived, by topic. Blocks.

    Raises:
        RegistryUnavailable: the registry does not answer.
    """
    return {event_type.topic: event_type for event_type in every_event_type(registry) if event_type.archived}


_typed = lru_cache(2_000)(registered)
"""The archiver asks every two seconds, and few schemas change."""


def every_event_type(registry: RegistryKeeper) -> Iterator[EventType]:
    """All that are registered, each as it is now. Blocks. Raises RegistryUnavailable."""
    for found in registry.newest():
        if not found.subject.endswith(VALUE):
            continue
        try:
            yield _typed(found.subject, found.schema)
        except SchemaError:  # somebody else's: it is no event type
            continue


def run_archive(settings: Settings, member: str) -> None:
    """Archive every topic that asks for it, until SIGTERM or SIGINT. Blocks; ends within `ENDING` seconds of a signal.

    Args:
        member: this process's fixed name in the group of all that archive.
    """
    shelf = shelf_of(settings)
    from streams.archive import Archiver, Upkeep
    from streams.archive.archiver import GROUP

    say_on_stderr()
    stop = told_to_stop(ENDING)  # whatever an object store does that hangs: what is not archived is read again
    with closing(Platform(settings)) as platform:
        LOGGER.info("%s", _beginning(platform, shelf))
        settle_for_events()
        Archiver(
            platform.kafka,
            platform.registry,
            lambda: asking(platform.registry),
            shelf,
            platform.dead_letters(GROUP),
            member,
            patience=settings.archive_seconds,
            memory=settings.archive_mb << 20,
            upkeep=Upkeep(keep_days=settings.archive_days),
        ).run(stop)


def _beginning(platform: Platform, shelf: Shelf) -> str:
    """What is archived where, and how far it is seen to be, for people."""
    try:
        topics = ", ".join(sorted(asking(platform.registry))) or "no topic yet"
    except MillraceError as error:
        topics = f"topics that are not known yet ({error})"
    return (
        f"Archiving {topics}, and each that asks for it later, from Kafka at {platform.settings.kafka} into "
        f"{redacted(shelf.url)}. How far it is: millrace archive list"
    )


def facts(platform: Platform, table: ArchiveTable, asks: bool) -> dict[str, Any]:
    """One topic's archive, for people and programs. Blocks.

    Args:
        asks: whether the topic's registered schema asks for it now.
    """
    behind = missed = None
    if table.look():
        spans = platform.topics.ends([table.topic]) if table.topic in platform.topics.names() else {}
        behind = sum(max(high - max(table.position(at) or low, low), 0) for (_, at), (low, high) in spans.items())
        missed = sum(low if table.position(at) is None else table.began(at) for (_, at), (low, _) in spans.items())
    measured = {**table.size(), "behind": behind, "missed": missed}
    return {"topic": table.topic, "asks": asks, **measured, "place": table.place}

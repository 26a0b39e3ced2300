"""`mr.scan` and `mr.scan_source`: all events of a topic, and the snapshots of a source, as lazy frames."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from datetime import datetime
from typing import TYPE_CHECKING

from millrace.archive import event_type_of, shelf_of
from millrace.platform import Platform
from millrace.settings import Settings
from schemas import EventType
from schemas.errors import MillraceError

if TYPE_CHECKING:
    import polars as pl


def scan(
    topic: str | type[object],
    since: datetime | None = None,
    until: datetime | None = None,
    *,
    fresh: bool = True,
    archived: bool = True,
    where: Mapping[str, str] | None = None,
    settings: Settings | None = None,
) -> pl.LazyFrame:
    """Every event of a topic, once: what is archived, and what is still in Kafka alone.

    `mr.scan("clicks", since=datetime(2026, 1, 1, tzinfo=UTC)).group_by("item").len().collect()`. The archive is read
    lazily, only the days and columns that are needed; what it does not have yet is read from Kafka before this returns.

    Args:
        topic: its name, or a class of events.
        since, until: by the time at which the log took the events, with a time zone; until is excluded.
        fresh: False = the archive alone; Kafka is not asked.
        archived: False = Kafka's log alone; no archive is needed.
        where: only events with these values in these fields, `{"user": "u42"}`. Of a field that the archive keeps as a
            pseudonym (`millrace.pii`) it is the value itself; what is returned has the pseudonym, of fresh events too.
        settings: where everything is; read from `millrace.toml` and the environment when left out.

    Returns:
        the columns of the newest registered schema, with null where an event is older than a field; then
        `_partition`, `_offset` and `_timestamp` (UTC), the event's place in the log and the log's time. In no order.

    Raises:
        ArchiveBehind: events between the archive and the log are in neither.
        ArchiveMissing: the extra `archive` is not installed, or no such topic is registered.
        ArchiveRefused: there are pseudonyms and no `archive_pii_key`.
        TopicMissing, ArchiveUnavailable, KafkaUnavailable, RegistryUnavailable.
    """
    for moment in (since, until):
        _must_have_zone(moment)
    settings = settings or Settings.load()
    name = _name(topic)
    with closing(Platform(settings)) as platform:
        event_type = event_type_of(platform.registry, name)
        shelf = shelf_of(settings)
        from streams import archive

        kafka = platform.kafka if fresh else None
        return archive.scan(
            shelf.table(name), event_type, kafka, platform.codec, since, until, archived=archived, where=where
        )


def scan_source(
    name: str, at: datetime | None = None, *, history: bool = False, settings: Settings | None = None
) -> pl.LazyFrame:
    """The rows of an external source, as its snapshots have them; see docs/sources.md.

    `mr.scan_source("prices")` is the newest snapshot, `mr.scan_source("prices", at=then)` the one that was valid then.
    Asks the archive which snapshots there are; rows are read when they are needed.

    Args:
        at: a moment with a time zone.
        history: all snapshots, one below the other, for a join as of each row's own moment; `at` is left out then.
        settings: where the archive is; read from `millrace.toml` and the environment when left out.

    Returns:
        the source's columns, then `valid_from` and `valid_to` (UTC): the snapshot was the newest one from then on until
        before then; `valid_to` is null where it still is.

    Raises:
        SourceMissing: there is no snapshot, or none at that moment.
        ArchiveMissing: the extra `archive` is not installed.
        ArchiveUnavailable.
    """
    from millrace.sources.snapshot import snapshots_of
    from millrace.sources.table import spans

    _must_have_zone(at)
    if history and at is not None:
        raise MillraceError("Either `at` or `history=True`: the history has the snapshots of all moments.")
    snapshots = snapshots_of(name, settings or Settings.load())
    return spans(snapshots, at, history)


def _must_have_zone(moment: datetime | None) -> None:
    if moment is not None and not isinstance(moment, datetime):
        raise MillraceError(f"{moment!r} is no moment; give a datetime, such as datetime(2026, 11, 1, tzinfo=UTC).")
    if moment is not None and moment.tzinfo is None:
        raise MillraceError(f"{moment} has no time zone; write it with one, such as tzinfo=UTC.")


def _name(topic: str | type[object]) -> str:
    event_type = getattr(topic, "event_type", None)
    return event_type.topic if isinstance(event_type, EventType) else str(topic)

"""Dead letters as documents: what commands print."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from streams import Group, Letter, Replayed, Stop
from streams.dead_letters.letter import hex_dump
from streams.logged import as_json

SHOWN = 512
"""Bytes of a value that people are shown."""


def moment(milliseconds: int) -> str | None:
    """A moment as ISO 8601; None where it is not known."""
    if milliseconds < 0:
        return None
    return datetime.fromtimestamp(milliseconds / 1000, UTC).isoformat(timespec="milliseconds")


def group(item: Group) -> dict[str, Any]:
    """Letters of one topic that were refused alike."""
    return {
        "topic": item.topic,
        "reason": item.why,
        "letters": item.letters,
        "replayed": item.replayed,
        "unsure": item.unsure,
        "last": moment(item.last_ms),
        "newest": f"{item.topic}@{item.newest}",
        "first": moment(item.first_ms),
    }


def letter(item: Letter, value: Any, unread: str) -> dict[str, Any]:
    """One letter, whole: bytes as base64, and what they mean or why that cannot be told; see `Letters.decoded`."""
    event = item.event
    return {
        "letter": item.title,
        "topic": event.topic,
        "partition": event.partition if item.place else None,
        "offset": event.offset if item.place else None,
        "time": moment(event.timestamp_ms),
        "refused": moment(item.refused_ms),
        "error": event.error,
        "reason": event.reason,
        "key": _bytes(event.key),
        "headers": [{"name": name, "value": _bytes(value)} for name, value in event.headers],
        "bytes": None if event.value is None else len(event.value),
        "value": _bytes(event.value),
        "decoded": value,
        "not_decoded": unread or None,
    }


def facts(document: dict[str, Any], item: Letter) -> list[dict[str, Any]]:
    """One letter for people: a row for each fact."""
    event, place = item.event, item.place
    told = {
        "letter": item.title,
        "was at": place or "never in the log: refused at POST /events",
        "time": document["time"],
        "refused": document["refused"],
        "reason": f"{event.error}: {event.reason}",
        "key": None if event.key is None else _text(event.key),
        **{f"header {name}": None if value is None else _text(value) for name, value in event.headers},
        "value": "none" if event.value is None else f"{len(event.value):,} bytes",
        "decoded": _read(document["decoded"]) if document["not_decoded"] is None else f"no: {document['not_decoded']}",
    }
    return [{"fact": name, "value": value if value is None else str(value)} for name, value in told.items()]


def dump(item: Letter) -> str:
    """The first bytes of the value, sixteen a line, with what of them is text."""
    value = item.event.value or b""
    more = f"\n… {len(value) - SHOWN:,} more bytes; --output json has all of them" if len(value) > SHOWN else ""
    return hex_dump(value[:SHOWN]) + more


def outcome(done: Replayed, to: str, dry_run: bool) -> dict[str, Any]:
    """A replay for programs."""
    return {
        "to": to,
        "dry_run": dry_run,
        "sent": done.sent,
        "replayed_before": done.before,
        "unsure": done.unsure,
        "never_logged": done.never_logged,
        "late": done.late,
        "failed": done.failed,
        "over_the_limit": done.left,
        "problem": done.problem or None,
    }


def sentences(done: Replayed, to: str, dry_run: bool) -> list[str]:
    """A replay for people."""
    if not any((done.sent, done.before, done.unsure, done.never_logged, done.late, done.left, done.failed)):
        return ["No dead letter is meant by this; see which there are: millrace dead-letters list."]
    told = [f"{'Would put' if dry_run else 'Put'} {_letters(done.sent)} back to {to}."]
    if done.before:
        told.append(f"{_letters(done.before)} left out: put back there before (--again puts them back once more).")
    if done.unsure:
        told.append(
            f"{_letters(done.unsure)} left out: a replay that ended in between may have put them back. Look, and then "
            "add --unsure."
        )
    if done.never_logged:
        told.append(
            f"{_letters(done.never_logged)} left out: lines of POST /events, which never were in the log; correct them "
            "and send them there again."
        )
    if done.late:
        told.append(
            f"{_letters(done.late)} left out: events that came too late for a learner. They are in {to}, where they "
            "would be late again and counted twice by others; --to puts them into another topic."
        )
    if done.left:
        told.append(f"{_letters(done.left)} left out: over the limit.")
    return told


def stop(item: Stop) -> dict[str, Any]:
    """A unit that stands still."""
    return {
        "learner": f"{item.reader}@{item.version}",
        "partition": f"{item.topic}/{item.partition}",
        "since": item.at,
        "position": item.position,
        "reason": item.reason,
    }


def _letters(count: int) -> str:
    return f"{count:,} letter{'' if count == 1 else 's'}"


def _bytes(value: bytes | None) -> str | None:
    return None if value is None else base64.b64encode(value).decode()


def _read(value: Any) -> Any:
    """What the bytes mean, as `millrace events` shows events."""
    return as_json(value) if isinstance(value, Mapping) else value


def _text(value: bytes) -> str:
    """Bytes as a person reads them."""
    return value.decode("utf-8", "backslashreplace")

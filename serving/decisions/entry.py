"""One answer as it is logged: what the hot path knows, the event that Kafka gets, and its bytes in the spool."""

from __future__ import annotations

from datetime import datetime
from functools import lru_cache
from typing import Any, NamedTuple

import msgspec

from schemas import DecisionId
from schemas.decision_bytes import decision_bytes

LONGEST_BODY = 200_000
"""Bytes of a request and of an answer that are logged."""
LONGEST_UNIT = 10_000
"""Characters of a unit that are logged."""


class Entry(NamedTuple):
    """One answer, as the hot path knows it; request and answer are the bytes that travelled, or, of one that was in the
    spool, the text that was to be logged of them. `failed` is the implementation that gave none, where another one or
    the default answered in its place, and `reason` is why; `shadow_of` is the decision whose request was copied, where
    nobody got the answer; `features` is JSON."""

    id: DecisionId
    endpoint: str
    implementation: str
    hash: str
    unit: str
    propensity: float
    request: bytes | str
    answer: bytes | str
    as_of: datetime | None
    latency_ms: float
    failed: str | None = None
    reason: str | None = None
    shadow_of: str | None = None
    features: str | None = None


def values_of(entry: Entry) -> dict[str, Any]:
    """The fields of its `Decision`."""
    return {
        "id": entry.id.text,
        "endpoint": entry.endpoint,
        "implementation": entry.implementation,
        "hash": entry.hash,
        "experiment": entry.id.experiment,
        "variant": entry.id.variant,
        "unit": entry.unit[:LONGEST_UNIT],
        "propensity": entry.propensity,
        "request": _text(entry.request),
        "answer": _text(entry.answer),
        "as_of": entry.as_of,
        "latency_ms": entry.latency_ms,
        "at": entry.id.at,
        "failed": entry.failed,
        "reason": entry.reason,
        "shadow_of": entry.shadow_of,
        "features": entry.features,
    }


def body_of(entry: Entry) -> bytes:
    """The Avro body of its `Decision`: of the same fields."""
    id = entry.id
    return decision_bytes(
        id.text,
        (entry.endpoint, entry.implementation, entry.hash, id.experiment, id.variant),
        entry.unit[:LONGEST_UNIT],
        entry.propensity,
        _utf8(entry.request),
        _utf8(entry.answer),
        None if entry.as_of is None else _milliseconds(entry.as_of),
        entry.latency_ms,
        id.at_ms,
        (entry.failed, entry.reason, entry.shadow_of),
        None if entry.features is None else entry.features.encode(),
    )


def key_of(entry: Entry) -> bytes:
    """The key of its `Decision`."""
    return entry.unit[:LONGEST_UNIT].encode()


def spooled(entry: Entry) -> tuple[int, bytes]:
    """When it was given, in milliseconds, and its bytes: fields by name, so that a later release reads them, and
    no registry is needed to write them."""
    return entry.id.at_ms, msgspec.msgpack.encode(values_of(entry))


def unspooled(body: bytes) -> Entry:
    """The entry again.

    Raises:
        msgspec.DecodeError, MalformedEvent: it is none.
    """
    found = msgspec.msgpack.decode(body, type=_Spooled)
    return Entry(**msgspec.structs.asdict(found) | {"id": DecisionId.parse(found.id)})


class _Spooled(msgspec.Struct):
    """The fields of a `Decision` that its id does not say: those of an `Entry`."""

    id: str
    endpoint: str
    implementation: str
    hash: str
    unit: str
    propensity: float
    request: str
    answer: str
    as_of: datetime | None
    latency_ms: float
    failed: str | None = None
    reason: str | None = None
    shadow_of: str | None = None
    features: str | None = None


@lru_cache(maxsize=64)
def _milliseconds(at: datetime) -> int:
    """Since 1970."""
    return round(at.timestamp() * 1000)


def _utf8(body: bytes | str) -> bytes:
    if isinstance(body, bytes) and body.isascii() and len(body) <= LONGEST_BODY:
        return body
    return _text(body).encode()


def _text(body: bytes | str) -> str:
    """A body as text; a very long one is cut, so that its decision is counted nevertheless: Kafka takes 1 MB."""
    if isinstance(body, str):
        return body
    text = body[:LONGEST_BODY].decode("utf-8", "replace")
    return text if len(body) <= LONGEST_BODY else f"{text}… cut after {LONGEST_BODY:,} of {len(body):,} bytes"

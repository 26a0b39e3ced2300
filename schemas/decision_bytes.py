"""A decision's Avro body, made at a fifth of what an encoder for any schema takes: there is one for each answer.

The bytes are those that `Decision.event_type` makes of the same values, for its schema as it stands; a test compares
the two. The format is that of the Avro specification, section Binary Encoding.
"""

from __future__ import annotations

from functools import lru_cache
from struct import Struct

_double = Struct("<d").pack
_NULL, _SECOND = b"\x00", b"\x02"
"""Which branch of an optional field follows."""


def decision_bytes(
    id: str,
    by: tuple[str, str, str, str | None, str | None],
    unit: str,
    propensity: float,
    request: bytes,
    answer: bytes,
    as_of_ms: int | None,
    latency_ms: float,
    at_ms: int,
    why: tuple[str | None, str | None, str | None] = (None, None, None),
    features: bytes | None = None,
) -> bytes:
    """One `Decision` as an Avro body, without the header of the wire format.

    Args:
        by: endpoint, implementation, hash, experiment and variant.
        request, answer: as UTF-8.
        as_of_ms, at_ms: in milliseconds since 1970.
        why: failed, reason and shadow_of.
        features: as UTF-8.
    """
    return b"".join(
        (
            string_bytes(id),
            _by(by),
            string_bytes(unit),
            _double(propensity),
            _length(len(request)),
            request,
            _length(len(answer)),
            answer,
            _NULL if as_of_ms is None else _moment(as_of_ms),
            _double(latency_ms),
            _instant(at_ms),
            b"\x00\x00\x00\x00" if features is None and why == (None, None, None) else _rest(why, features),
        )
    )


def long_bytes(number: int) -> bytes:
    """Zigzag, seven bits a byte, the lowest first."""
    number = number << 1 if number >= 0 else (-number << 1) - 1
    found = bytearray()
    while number > 0x7F:
        found.append(number & 0x7F | 0x80)
        number >>= 7
    found.append(number)
    return bytes(found)


def string_bytes(text: str) -> bytes:
    """A text after its length."""
    body = text.encode()
    return _length(len(body)) + body


def _rest(why: tuple[str | None, str | None, str | None], features: bytes | None) -> bytes:
    used = _NULL if features is None else _SECOND + _length(len(features)) + features
    return b"".join((*map(_optional, why), used))


def _optional(text: str | None) -> bytes:
    return _NULL if text is None else _SECOND + string_bytes(text)


@lru_cache(maxsize=4096)
def _length(size: int) -> bytes:
    return long_bytes(size)


@lru_cache(maxsize=64)
def _instant(milliseconds: int) -> bytes:
    """Of a moment that many share: as many as are answered in a millisecond."""
    return long_bytes(milliseconds)


@lru_cache(maxsize=1024)
def _moment(milliseconds: int) -> bytes:
    return _SECOND + long_bytes(milliseconds)


@lru_cache(maxsize=1024)
def _by(by: tuple[str, str, str, str | None, str | None]) -> bytes:
    endpoint, implementation, hash, experiment, variant = by
    named = string_bytes(endpoint) + string_bytes(implementation) + string_bytes(hash)
    return named + _optional(experiment) + _optional(variant)

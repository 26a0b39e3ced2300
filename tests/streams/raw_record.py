"""Puts one record into a partition without a client, so that it may be what none sends (Kafka protocol, Produce v3)."""

from __future__ import annotations

import socket
import struct
import time
from collections.abc import Sequence

_POLYNOMIAL = 0x82F63B78  # CRC-32C (Castagnoli), reflected


def put(bootstrap: str, topic: str, value: bytes, headers: Sequence[tuple[bytes, bytes]]) -> None:
    """Append a record to partition 0 of a topic; returns when the broker has it."""
    batch = _batch(_record(value, headers))
    topics = struct.pack(">i", 1) + _text(topic) + struct.pack(">iii", 1, 0, len(batch)) + batch
    request = struct.pack(">hhi", 0, 3, 1) + _text("raw") + struct.pack(">hhi", -1, -1, 10_000) + topics
    host, _, port = bootstrap.partition(":")
    with socket.create_connection((host, int(port)), timeout=20) as connection:
        connection.sendall(struct.pack(">i", len(request)) + request)
        answer = connection.makefile("rb")
        (size,) = struct.unpack(">i", answer.read(4))
        _, _, error, _ = struct.unpack_from(">iihq", answer.read(size), size - 26)
    assert error == 0, error


def _record(value: bytes, headers: Sequence[tuple[bytes, bytes]]) -> bytes:
    parts = [b"\x00", _number(0), _number(0), _number(-1), _sized(value), _number(len(headers))]
    body = b"".join([*parts, *(_sized(text) for header in headers for text in header)])
    return _sized(body)


def _batch(record: bytes) -> bytes:
    now = time.time_ns() // 1_000_000
    tail = struct.pack(">hiqqqhii", 0, 0, now, now, -1, -1, -1, 1) + record
    return struct.pack(">qiibI", 0, len(tail) + 9, -1, 2, _checksum(tail)) + tail


def _checksum(data: bytes) -> int:
    found = 0xFFFFFFFF
    for byte in data:
        found ^= byte
        for _ in range(8):
            found = (found >> 1) ^ (_POLYNOMIAL if found & 1 else 0)
    return found ^ 0xFFFFFFFF


def _sized(data: bytes) -> bytes:
    return _number(len(data)) + data


def _number(number: int) -> bytes:
    """A zigzag varint."""
    left, out = (number << 1) ^ (number >> 31), bytearray()
    while left > 0x7F:
        out.append(left & 0x7F | 0x80)
        left >>= 7
    return bytes([*out, left])


def _text(text: str) -> bytes:
    return struct.pack(">h", len(text)) + text.encode()

"""What an event was emitted for is in two headers, which anybody may have written."""

from __future__ import annotations

import numpy as np
import pytest
from confluent_kafka import Message

from streams.sources import MOST, NOWHERE, POSITION, SOURCE, Source, is_emitted, sources_of, without_source

Headers = list[tuple[str, bytes | None]]


def message(headers: Headers | None) -> Message:
    own: list[tuple[str, str | bytes | None]] | None = None if headers is None else [*headers]
    return Message(topic="visits", partition=0, offset=0, value=b"", headers=own)


def emitted(offset: int, index: int = 0, version: int = 1, partition: int = 3) -> Headers:
    return Source("visits", version, "clicks", partition).headers(offset, index)


def test_a_source_is_written_for_people() -> None:
    assert emitted(4711, 2) == [(SOURCE, b"visits@1/clicks/3"), (POSITION, b"4711.2")]


def test_positions_grow_with_offset_and_index_and_versions_are_one_source() -> None:
    places = [(0, 0), (0, 1), (0, MOST - 1), (1, 0), (1 << 40, 5)]
    messages = [message(emitted(offset, index, version=1 + offset % 2)) for offset, index in places]
    found = sources_of([*messages, message(emitted(7, partition=4)), message(None)])
    assert found.names == ("visits/clicks/3", "visits/clicks/4")
    assert found.which.tolist() == [0, 0, 0, 0, 0, 1, NOWHERE]
    ascending = found.positions[:5]
    assert (np.diff(ascending) > 0).all()
    some = found.at(found.which == 1)
    assert (some.which.tolist(), len(some.positions)) == ([1], 1)


@pytest.mark.parametrize(
    "headers",
    [
        None,
        [],
        [("other", b"visits@1/clicks/3"), (POSITION, b"1.0")],
        [(SOURCE, b"visits@1/clicks/3")],
        [(SOURCE, None), (POSITION, b"1.0")],
        [(SOURCE, b"\xff\xfe/clicks/3"), (POSITION, b"1.0")],
        [(SOURCE, b"visits@1"), (POSITION, b"1.0")],
        *(
            [(SOURCE, b"visits@1/clicks/3"), (POSITION, text)]
            for text in (None, b"", b"1", b"1.", b".1", b"-1.0", b"1.0.0", b"1.1048576", b"8796093022208.0", b"9" * 99)
        ),
        [(SOURCE, b"visits@1/clicks/3"), (POSITION, "\u0661.0".encode())],
    ],
)
def test_what_makes_no_sense_is_no_source(headers: Headers | None) -> None:
    found = sources_of([message(headers)])
    assert found.which.tolist() == [NOWHERE]
    assert not is_emitted(message(headers))


def test_other_headers_are_kept() -> None:
    kept: Headers = [("trace", b"1"), ("trace", None)]
    assert without_source([*kept, *emitted(3)]) == kept
    assert is_emitted(message([*kept, *emitted(3)]))

"""Keys lie where Java's client puts them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as some

from streams.murmur2 import murmur2, partition_of

JAVA_VECTORS = {
    b"21": -973932308,
    b"foobar": -790332482,
    b"a-little-bit-long-string": -985981536,
    b"a-little-bit-longer-string": -1486304829,
    b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8": -58897971,
    b"abc": 479470107,
}


@pytest.mark.parametrize(("key", "expected"), JAVA_VECTORS.items())
def test_the_hash_equals_that_of_java(key: bytes, expected: int) -> None:
    assert murmur2(key) == expected


@given(some.binary(max_size=64), some.integers(1, 1_000))
def test_every_key_has_a_partition(key: bytes, partitions: int) -> None:
    assert 0 <= partition_of(key, partitions) < partitions

"""A cluster's map, and the urls of its nodes."""

from __future__ import annotations

import pytest
from redis.exceptions import AskError, MovedError

from storage.redis.slots import Slots, is_cluster, seeds

REPLY = [
    [8_000, 16_383, [b"10.0.0.2", 6380, b"id2"], [b"10.0.0.3", 6380, b"id3"]],
    [0, 7_999, [b"", 6379, b"id1"]],
]


def test_a_key_is_where_its_slot_is() -> None:
    slots = Slots(REPLY, "rediss://user:secret@first:6379/0?ssl_ca_certs=ca.pem")
    assert slots.node("mr:{a@1}:units") == "rediss://user:secret@first:6379/0?ssl_ca_certs=ca.pem"  # slot 2021
    assert slots.node("mr:{a@1}:anything else") == slots.node("mr:{a@1}:units")
    assert slots.node("foo") == "rediss://user:secret@10.0.0.2:6380/0?ssl_ca_certs=ca.pem"  # slot 12182


def test_a_slot_that_no_node_has_is_nowhere() -> None:
    assert Slots(REPLY[:1], "redis://first:6379").node("mr:{a@1}:units") is None
    assert Slots([], "redis://first:6379").node("foo") is None


@pytest.mark.parametrize("said", [Exception("MOVED 2021 10.0.0.9:6381"), MovedError("2021 10.0.0.9:6381")])
def test_a_node_that_has_given_a_slot_away_is_believed_at_once(said: Exception) -> None:
    slots = Slots(REPLY, "redis://u:p@first:6379/0")
    assert slots.learn(said)
    assert slots.node("mr:{a@1}:units") == "redis://u:p@10.0.0.9:6381/0"
    assert slots.node("foo") == "redis://u:p@10.0.0.2:6380/0"
    assert not slots.learn(Exception("LOADING 12 12:3"))
    assert not slots.learn(AskError("2021 10.0.0.8:6381")), "it is not there yet"
    assert not slots.learn(None)


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("redis+cluster://a:1,b:2/0", ["redis://a:1/0", "redis://b:2/0"]),
        ("rediss+cluster://u:p@a:1,b:2?x=1", ["rediss://u:p@a:1?x=1", "rediss://u:p@b:2?x=1"]),
    ],
)
def test_each_node_that_a_url_names_has_a_url_of_its_own(address: str, expected: list[str]) -> None:
    assert is_cluster(address)
    assert seeds(address) == expected


def test_another_redis_is_no_cluster() -> None:
    assert not is_cluster("redis://a:1/0")

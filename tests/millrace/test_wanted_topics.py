"""How many partitions a product's topics have, and how long they keep events, where they have to be made."""

from __future__ import annotations

from pathlib import Path

import pytest

from millrace.product import Product, ProductError
from millrace.wanted_topics import WantedTopic, in_order, topic_settings, wanted_topics

EVENTS = """
import millrace as mr

class Alarm(mr.Event, topic="alarms", key="user"):
    user: str

class Tap(mr.Event, topic="taps", key="user"):
    user: str

class Visit(mr.Event, topic="visits", key="user"):
    user: str
"""
LEARNERS = """
import millrace as mr
from .events import Alarm, Tap, Visit

class Visits(mr.EventLearner[Tap]):
    visits = mr.emit(Visit)

    def learn(self, event): ...

class Alarms(mr.EventLearner[Visit]):
    alarms = mr.emit(Alarm)

    def learn(self, event): ...
"""


def product(folder: Path, table: str) -> Product:
    made = folder / "tapping"
    made.mkdir()
    (made / "events.py").write_text(EVENTS)
    (made / "learners.py").write_text(LEARNERS)
    (made / "product.toml").write_text(table)
    return Product.load(made)


def test_what_is_emitted_follows_from_what_is_folded_unless_it_is_declared(tmp_path: Path) -> None:
    found = product(tmp_path, '[topics.alarms]\npartitions = 2\nretention = "30d"\n[topics."tapping.x"]\n')
    wanted = wanted_topics(found)
    assert wanted["visits"] == WantedTopic(sources=["taps"])
    assert wanted["alarms"] == WantedTopic(2, {"retention.ms": "2592000000"}, ["visits"])
    assert topic_settings(found) == {"alarms": {"retention.ms": "2592000000"}}
    assert [item.topic for item in in_order(found.event_types.values(), wanted)] == ["taps", "visits", "alarms"]


@pytest.mark.parametrize(
    ("table", "why"),
    [
        ('retention = "a while"', "'a while' is no duration"),
        ("retention = 30", "30 is no duration"),
        ("partitions = 0", "partitions = 0 is no number"),
        ("replicas = 3", "there is no 'replicas'"),
    ],
)
def test_what_makes_no_sense_is_refused_with_what_to_write(tmp_path: Path, table: str, why: str) -> None:
    with pytest.raises(ProductError, match=rf'{why}.*retention = "30d"'):
        wanted_topics(product(tmp_path, f"[topics.alarms]\n{table}\n"))

"""Two workers under one name: the one that was fenced says so and ends; after a false alarm it goes on."""

from __future__ import annotations

import time
import uuid
from threading import Event

import pytest
from confluent_kafka import Consumer

from learners import LearnerRefused
from millrace.worker import refuse_if_taken
from streams import Kafka, MemberFenced, Topics

FENCED = MemberFenced("Reading failed: fenced.")


def test_a_fenced_worker_is_refused_while_another_has_its_name_and_not_once_that_one_is_dead(kafka: str) -> None:
    # Given another process that has the name
    cluster, group, topic = Kafka(kafka), f"millrace-{uuid.uuid4().hex}", f"t-{uuid.uuid4().hex}"
    topics = Topics(cluster)
    topics.ensure(topic, 1)
    topics.close()
    identity = {"group.id": group, "group.instance.id": "worker-0", "session.timeout.ms": 6_000}
    other = Consumer({"bootstrap.servers": kafka, **identity})
    other.subscribe([topic])
    until = time.monotonic() + 20
    while not other.assignment():
        assert time.monotonic() < until
        other.poll(0.1)
    # When a worker of that name was fenced, then it is refused
    with pytest.raises(LearnerRefused, match=r"Another process is worker-0 .* --name"):
        refuse_if_taken(cluster, group, "worker-0", Event(), FENCED)
    # But not where nobody who lives has it: then it is started again
    other.close()
    refuse_if_taken(cluster, group, "worker-0", Event(), FENCED)

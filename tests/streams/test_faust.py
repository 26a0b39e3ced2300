"""What a Faust app promises here beyond Faust: no position passes an event that is not done."""

from __future__ import annotations

import sys
import uuid
from datetime import UTC, datetime
from pathlib import Path

import pytest
from confluent_kafka import ConsumerGroupTopicPartitions, TopicPartition
from confluent_kafka.admin import AdminClient

import millrace as mr
from schemas import Codec, EventType, RegistryClient
from streams import Kafka, Producer, StreamError, Topics, partition_of, read_topic
from streams.dead_letters.reader import LetterReader
from streams.faust_broker import broker_options
from tests.faust_process import worker
from tests.waiting import until

FIELDS = [{"name": "key", "type": "string"}, {"name": "number", "type": "long"}]
ZERO, ONE = "a", "d"
"""Keys whose events go to the partitions 0 and 1 of two."""


class Repeated:
    """The topics of one run of `faust_worker.py`."""

    def __init__(self, cluster: Kafka, registry: RegistryClient, topics: Topics, producer: Producer) -> None:
        self.name = uuid.uuid4().hex[:12]
        self.cluster, self.codec, self.producer = cluster, Codec(registry), producer
        record = {"type": "record", "fields": FIELDS}
        self.numbers = EventType(f"{self.name}-numbers", {**record, "name": "Number"}, "key")
        self.echoes = EventType(f"{self.name}-echoes", {**record, "name": "Echo"}, "key")
        for kind in (self.numbers, self.echoes):
            topics.ensure(kind.topic, 2)

    def send(self, key: str, *numbers: int) -> None:
        for number in numbers:
            self.producer.send(self.numbers, {"key": key, "number": number})
        self.producer.flush()

    def repeated(self) -> set[int]:
        frames = read_topic(self.cluster, self.codec, self.echoes, datetime.fromtimestamp(0, UTC))
        return {number for frame in frames for number in frame["number"].to_list()}

    def committed(self, partition: int) -> int:
        """The group's position; negative where it has none."""
        at = TopicPartition(self.numbers.topic, partition)
        client = AdminClient({"bootstrap.servers": self.cluster.bootstrap})
        (asked,) = client.list_consumer_group_offsets([ConsumerGroupTopicPartitions(self.name, [at])]).values()
        return int(asked.result(10).topic_partitions[0].offset)


@pytest.fixture
def run(cluster: Kafka, registry: RegistryClient, topics: Topics, producer: Producer) -> Repeated:
    assert (partition_of(ZERO.encode(), 2), partition_of(ONE.encode(), 2)) == (0, 1)
    return Repeated(cluster, registry, topics, producer)


def test_no_position_passes_an_event_that_is_still_worked_on(
    run: Repeated, kafka: str, registry_url: str, tmp_path: Path
) -> None:
    run.send(ZERO, 1)
    run.producer.send_bytes(run.numbers.topic, ZERO.encode(), b"no event", [("trace", b"7")])
    run.send(ZERO, 2, 3)
    module = "tests.streams.faust_worker"
    with worker(module, tmp_path, kafka, registry_url, NAME=run.name, TROUBLE="waits at 1") as first:
        until(lambda: {2, 3} <= run.repeated())
        run.send(ONE, 4)
        until(lambda: run.committed(1) == 1)  # a commit looks at both partitions
        assert run.committed(0) <= 0
        first.kill()
        first.wait()
    (letter,) = LetterReader(run.cluster).read(run.numbers.topic)
    assert (letter.event.partition, letter.event.offset, letter.event.value) == (0, 1, b"no event")
    assert letter.event.headers == (("trace", b"7"),)
    with worker(module, tmp_path, kafka, registry_url, NAME=run.name):
        until(lambda: run.committed(0) == 4)
        assert run.repeated() == {1, 2, 3, 4}


def test_an_event_that_its_agent_fails_at_ends_the_worker_and_is_read_again(
    run: Repeated, kafka: str, registry_url: str, tmp_path: Path
) -> None:
    run.send(ZERO, *range(10))
    module = "tests.streams.faust_worker"
    with worker(module, tmp_path, kafka, registry_url, NAME=run.name, TROUBLE="fails at 6") as first:
        assert first.wait(60) != 0
    assert run.committed(0) <= 6
    with worker(module, tmp_path, kafka, registry_url, NAME=run.name) as second:
        until(lambda: run.committed(0) == 10)
        assert run.repeated() == set(range(10))
        second.terminate()
        assert second.wait(60) == 0


async def test_an_event_that_faust_hands_on_to_another_partition_keeps_its_bytes_and_is_sent_by_the_key_given() -> None:
    numbers = EventType("numbers", {"type": "record", "name": "Number", "fields": FIELDS}, "key")
    handed_on = (
        mr.faust_app("app", mr.Settings()).events(numbers).as_future_message(key="d", value=b"\x00bytes").message
    )
    assert (handed_on.key, handed_on.value) == (b"d", b"\x00bytes")


def test_an_option_that_the_promise_rests_on_is_refused() -> None:
    with pytest.raises(StreamError, match="processing_guarantee is 'at_least_once' here"):
        mr.faust_app("app", mr.Settings(), processing_guarantee="exactly_once")


def test_a_missing_faust_is_named_with_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "streams.faust", raising=False)
    monkeypatch.setitem(sys.modules, "faust", None)
    with pytest.raises(ImportError, match=r"install millrace\[faust\]"):
        mr.faust_app("app", mr.Settings())


def test_what_kafka_asks_who_we_are_is_what_faust_is_given() -> None:
    options = {
        "security.protocol": "sasl_plaintext",
        "sasl.mechanism": "SCRAM-SHA-512",
        "sasl.username": "millrace",
        "sasl.password": "secret",
        "linger.ms": "1",
    }
    found = broker_options(Kafka("one:9092, two:9092", options))
    who = found["broker_credentials"]
    assert found["broker"] == ["kafka://one:9092", "kafka://two:9092"]
    assert (who.username, who.password, who.protocol.value, who.mechanism.value) == (
        "millrace",
        "secret",
        "SASL_PLAINTEXT",
        "SCRAM-SHA-512",
    )
    assert "secret" not in repr(found)


def test_a_server_whose_certificate_is_checked_is_checked_by_faust_too() -> None:
    context = broker_options(Kafka("one:9092", {"security.protocol": "ssl"}))["broker_credentials"].context
    assert context.check_hostname


@pytest.mark.parametrize(
    "options",
    [
        {"security.protocol": "ssl", "ssl.keystore.location": "store"},
        {"security.protocol": "sasl_ssl", "sasl.mechanism": "OAUTHBEARER"},
        {"security.protocol": "sasl_ssl"},
        {"security.protocol": "none"},
    ],
)
def test_an_option_about_security_that_faust_cannot_be_given_is_refused(options: dict[str, str]) -> None:
    with pytest.raises(StreamError, match=r"Faust|security\.protocol"):
        broker_options(Kafka("one:9092", options))

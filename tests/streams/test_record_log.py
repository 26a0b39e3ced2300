"""The record log has one order, and whoever appends finds the record in it."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Iterator

import pytest

from streams import Kafka, KafkaRecordLog, KafkaUnavailable, StreamError, Topics


@pytest.fixture
def name() -> str:
    return f"_schemas-{uuid.uuid4().hex[:12]}"


@pytest.fixture
def log(cluster: Kafka, name: str) -> Iterator[KafkaRecordLog]:
    log = KafkaRecordLog(cluster, name)
    yield log
    log.close()


def test_a_new_log_is_empty(log: KafkaRecordLog) -> None:
    assert list(log.records()) == []


def test_what_was_appended_is_read_back_in_order(log: KafkaRecordLog) -> None:
    appended = [(b"a", b"1"), (b"b", b"2"), (b"a", None), (b"", b"3")]
    for key, value in appended:
        log.append(key, value)
    assert list(log.records()) == appended


def test_two_writers_see_one_order_in_which_the_first_comes_first(
    cluster: Kafka, name: str, log: KafkaRecordLog
) -> None:
    # Given two writers that append at the same time
    other = KafkaRecordLog(cluster, name)

    def append(writer: KafkaRecordLog, mine: bytes) -> None:
        for number in range(30):
            writer.append(b"key", mine + b"%d" % number)

    threads = [threading.Thread(target=append, args=(log, b"x")), threading.Thread(target=append, args=(other, b"y"))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    # Then both see the same sixty records, and each its own in the order it wrote them
    records = list(log.records())
    assert records == list(other.records())
    assert len(records) == 60
    for mine in (b"x", b"y"):
        values = [value for _, value in records if value is not None and value.startswith(mine)]
        assert values == [mine + b"%d" % number for number in range(30)]
    other.close()


def test_an_appended_record_is_preceded_by_all_that_others_wrote_before(
    cluster: Kafka, name: str, log: KafkaRecordLog
) -> None:
    other = KafkaRecordLog(cluster, name)
    other.append(b"key", b"theirs")
    log.append(b"key", b"mine")
    assert [value for _, value in log.records()] == [b"theirs", b"mine"]
    other.append(b"key", b"later")
    assert [value for _, value in log.records()] == [b"theirs", b"mine", b"later"]
    other.close()


def test_a_restarted_writer_finds_everything(cluster: Kafka, name: str, log: KafkaRecordLog) -> None:
    log.append(b"key", b"value")
    again = KafkaRecordLog(cluster, name)
    assert list(again.records()) == [(b"key", b"value")]
    again.close()


def test_a_topic_of_several_partitions_is_refused(cluster: Kafka, topics: Topics, name: str) -> None:
    topics.ensure(name, 2)
    with pytest.raises(StreamError, match="2 partitions, so no single order"):
        KafkaRecordLog(cluster, name)


def test_an_absent_broker_is_said() -> None:
    with pytest.raises(KafkaUnavailable):
        KafkaRecordLog(Kafka("127.0.0.1:1"), timeout=0.3)

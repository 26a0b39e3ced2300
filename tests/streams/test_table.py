"""A table that processes share: all see the same rows, and what is written was decided on what stands before it."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any, ClassVar

import pytest
from confluent_kafka import Consumer as Client
from confluent_kafka import KafkaError, KafkaException
from confluent_kafka import Producer as Writer

from streams import Kafka, KafkaTable, KafkaUnavailable


@pytest.fixture
def name() -> str:
    return f"experiments-{uuid.uuid4().hex[:12]}"


@pytest.fixture
def table(cluster: Kafka, name: str) -> Iterator[KafkaTable]:
    table = KafkaTable(cluster, name)
    yield table
    table.close()


def test_what_was_written_is_read_by_everybody_and_by_who_comes_later(
    cluster: Kafka, name: str, table: KafkaTable
) -> None:
    other = KafkaTable(cluster, name)
    assert table.rows() == other.rows() == {}
    assert table.change(lambda rows: ("a", b"1")) == {"a": b"1"}
    assert other.rows() == {"a": b"1"}
    assert other.change(lambda rows: ("a", rows["a"] + b"2")) == {"a": b"12"}
    assert table.rows() == {"a": b"12"}
    later = KafkaTable(cluster, name)
    assert later.rows() == {"a": b"12"}
    assert later.change(lambda rows: ("a", None)) == table.rows() == {}
    for one in (other, later):
        one.close()


def test_a_change_that_is_refused_or_not_wanted_writes_nothing(table: KafkaTable) -> None:
    def refused(rows: Mapping[str, bytes]) -> tuple[str, bytes]:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        table.change(refused)
    assert table.change(lambda rows: None) == {}
    assert table.rows() == {}


def test_of_changes_at_the_same_time_each_sees_the_one_before(cluster: Kafka, name: str, table: KafkaTable) -> None:
    # Given writers that count up at the same time, each of which tries again when others were always quicker
    writers = [table, *(KafkaTable(cluster, name) for _ in range(2))]

    def one_more(rows: Mapping[str, bytes]) -> tuple[str, bytes]:
        return "count", b"%d" % (int(rows.get("count", b"0")) + 1)

    def count(writer: KafkaTable) -> None:
        done = 0
        while done < 3:
            try:
                writer.change(one_more)
            except KafkaUnavailable:
                continue
            done += 1

    threads = [threading.Thread(target=count, args=[writer]) for writer in writers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    # Then no change was lost
    assert [writer.rows() for writer in writers] == [{"count": b"9"}] * 3
    for writer in writers[1:]:
        writer.close()


class Unsure(Writer):
    """A writer whose first commit ends in an error of the broker's that tells nothing."""

    left = 0
    commits = True

    def commit_transaction(self, *arguments: Any) -> None:
        if not Unsure.left:
            super().commit_transaction(*arguments)
            return
        Unsure.left -= 1
        if self.commits:
            super().commit_transaction(*arguments)
        raise KafkaException(KafkaError(KafkaError.UNKNOWN))


@pytest.mark.parametrize("commits", [True, False])
def test_a_change_is_made_once_also_where_the_broker_does_not_tell_whether_it_was(
    cluster: Kafka, name: str, table: KafkaTable, monkeypatch: pytest.MonkeyPatch, commits: bool
) -> None:
    monkeypatch.setattr("streams.table.Writer", Unsure)
    table.change(lambda rows: ("count", b"1"))
    monkeypatch.setattr(Unsure, "left", 1)
    monkeypatch.setattr(Unsure, "commits", commits)

    assert table.change(lambda rows: ("count", rows["count"] + b"1")) == {"count": b"11"}
    assert Unsure.left == 0
    other = KafkaTable(cluster, name)
    assert other.rows() == {"count": b"11"}
    other.close()


class Misled(Client):
    """A client that believes a broker which stopped: it goes on saying that there is no such topic."""

    misled: ClassVar[list[Client]] = []
    everyone = False

    def get_watermark_offsets(self, *arguments: Any, **options: Any) -> Any:
        if self.everyone or self in self.misled:
            raise KafkaException(KafkaError(KafkaError._UNKNOWN_TOPIC))
        return super().get_watermark_offsets(*arguments, **options)


def test_a_topic_that_a_stopping_broker_has_denied_is_read_on_where_it_was(
    cluster: Kafka, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("streams.log_reader.Client", Misled)
    table, other = KafkaTable(cluster, name), KafkaTable(cluster, name)
    table.change(lambda rows: ("a", b"1"))
    assert table._opened is not None
    monkeypatch.setattr(Misled, "misled", [table._opened._client])
    other.change(lambda rows: ("b", b"2"))
    assert table.rows() == {"a": b"1", "b": b"2"}

    monkeypatch.setattr(Misled, "everyone", True)
    with pytest.raises(KafkaUnavailable, match=f"does not know the topic {name}, which was there"):
        table.rows()
    monkeypatch.setattr(Misled, "everyone", False)
    other.change(lambda rows: ("a", b"3"))
    assert table.rows() == {"a": b"3", "b": b"2"}
    for one in (table, other):
        one.close()


def test_where_no_broker_answers_it_says_so() -> None:
    table = KafkaTable(Kafka("127.0.0.1:1"), "experiments", timeout=0.3)
    with pytest.raises(KafkaUnavailable):
        table.rows()
    with pytest.raises(KafkaUnavailable):
        table.change(lambda rows: ("a", b"1"))


def test_it_ends_at_once_while_it_waits_for_a_broker_that_is_away() -> None:
    table = KafkaTable(Kafka("127.0.0.1:1"), "experiments", timeout=20)

    def ask() -> None:
        with suppress(KafkaUnavailable):
            table.rows()

    asking = threading.Thread(target=ask, daemon=True)
    asking.start()
    while not table._lock.locked():
        asking.join(0.01)
    table.close()
    assert asking.is_alive(), "it did not wait for that"

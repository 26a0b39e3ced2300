"""Archivers on a real Kafka: each event once, whatever happens to them."""

from __future__ import annotations

from contextlib import closing, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import polars as pl
import pytest
from confluent_kafka import KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient

from schemas import Codec, EventType, RegistryClient
from streams import Consumer, Kafka, Producer, Topics
from streams.archive import ArchiveTable, Shelf, newest_complete_day, scan
from streams.errors import ArchiveBehind, ArchiveRefused
from tests.streams.archive.conftest import Running
from tests.streams.conftest import CLICK, sent
from tests.waiting import until


def numbers(frame: pl.LazyFrame) -> list[int]:
    return sorted(frame.collect()["number"].to_list())


def archived(table: ArchiveTable) -> int:
    return int(table.size()["rows"]) if table.look() else 0


def test_what_is_archived_and_what_is_fresh_are_each_event_once(
    cluster: Kafka, registry: RegistryClient, producer: Producer, clicks: EventType, shelf: Shelf, running: Running
) -> None:
    codec, table = Codec(registry), shelf.table(clicks.topic)
    sent(producer, clicks, range(500))
    assert numbers(scan(table, clicks, cluster, codec)) == list(range(500))

    with running({clicks.topic: clicks}):
        until(lambda: archived(table) == 500)
        sent(producer, clicks, range(500, 600))
        for _ in range(5):  # while it is archived
            assert numbers(scan(shelf.table(clicks.topic), clicks, cluster, codec)) == list(range(600))
        until(lambda: archived(table) == 600)
    sent(producer, clicks, range(600, 700))

    assert numbers(scan(table, clicks, None, codec)) == list(range(600))
    found = scan(table, clicks, cluster, codec)
    assert numbers(found) == list(range(700))
    assert found.collect_schema() == {
        **clicks.frame_schema,
        "_partition": pl.Int64,
        "_offset": pl.Int64,
        "_timestamp": pl.Datetime("us", "UTC"),
    }
    assert found.select("_partition", "_offset").collect().is_unique().all()


def test_a_span_of_time_is_that_of_the_log(
    cluster: Kafka, registry: RegistryClient, producer: Producer, clicks: EventType, shelf: Shelf, running: Running
) -> None:
    codec, table = Codec(registry), shelf.table(clicks.topic)
    with running({clicks.topic: clicks}):
        sent(producer, clicks, range(50))
        until(lambda: archived(table) == 50)
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    with closing(Topics(cluster)) as topics:
        assert newest_complete_day(table, topics, tomorrow) == table.size()["last_day"]
        assert newest_complete_day(table, topics) is None  # today is not over
    sent(producer, clicks, range(50, 60))
    with closing(Topics(cluster)) as topics:
        assert newest_complete_day(table, topics, tomorrow) is None  # the log has events that the archive has not
    every = scan(table, clicks, cluster, codec).collect()
    middle = every.filter(pl.col("number") >= 50)["_timestamp"].min()
    assert isinstance(middle, datetime)

    before = scan(table, clicks, cluster, codec, until=middle).collect()
    after = scan(table, clicks, cluster, codec, since=middle).collect()

    assert sorted(before["number"]) == list(range(50))
    assert sorted(after["number"]) == list(range(50, 60))


def test_a_second_archiver_takes_over_and_two_share_the_partitions(
    producer: Producer, registry: RegistryClient, clicks: EventType, shelf: Shelf, running: Running
) -> None:
    table = shelf.table(clicks.topic)
    sent(producer, clicks, range(100))
    with running({clicks.topic: clicks}, "one"):
        until(lambda: archived(table) == 100)
        with running({clicks.topic: clicks}, "two"):
            sent(producer, clicks, range(100, 300))
            until(lambda: archived(table) == 300)
        sent(producer, clicks, range(300, 400))
        until(lambda: archived(table) == 400)

    assert numbers(scan(table, clicks, None, Codec(registry))) == list(range(400))


def test_a_new_schema_is_followed_while_it_runs(
    cluster: Kafka, registry: RegistryClient, producer: Producer, clicks: EventType, shelf: Shelf, running: Running
) -> None:
    table, wanted = shelf.table(clicks.topic), {clicks.topic: clicks}
    device = {"name": "device", "type": ["null", "string"], "default": None}
    fields = [*CLICK["fields"], device, {"name": "stars", "type": "double", "default": 3.0}]
    newer = EventType(clicks.topic, {**CLICK, "fields": fields}, key="user")
    with running(wanted):
        sent(producer, clicks, range(20))
        until(lambda: archived(table) == 20)
        wanted[clicks.topic] = newer
        producer.send(newer, {"user": "u1", "number": 20, "device": "phone", "stars": 4.5})
        producer.flush()
        until(lambda: archived(table) == 21 and "device" in pl.scan_delta(table.place).collect_schema())
        sent(producer, clicks, range(21, 30))
        until(lambda: archived(table) == 30)

    found = scan(table, newer, cluster, Codec(registry)).collect()
    assert sorted(found["number"]) == list(range(30))
    assert found.filter(pl.col("device") == "phone")["number"].to_list() == [20]
    assert found.sort("number")["stars"].to_list() == [3.0] * 20 + [4.5] + [3.0] * 9


def test_what_cannot_be_read_is_a_dead_letter_and_the_position_passes_it(
    cluster: Kafka, registry: RegistryClient, producer: Producer, clicks: EventType, shelf: Shelf, running: Running
) -> None:
    table = shelf.table(clicks.topic)
    sent(producer, clicks, range(5))
    for _ in range(3):
        producer.send_bytes(clicks.topic, b"u1", b"no event")
    producer.flush()
    with running({clicks.topic: clicks}):
        until(lambda: table.look() and sum(table.position(at) or 0 for at in range(4)) == 8)

    assert numbers(scan(table, clicks, cluster, Codec(registry))) == list(range(5))


def test_before_an_event_that_no_registered_schema_reads_it_stands_still_and_goes_on_with_one_that_does(
    registry: RegistryClient, registry_url: str, producer: Producer, clicks: EventType, shelf: Shelf, running: Running
) -> None:
    table, wanted = shelf.table(clicks.topic), {clicks.topic: clicks}
    narrow = {**CLICK, "fields": CLICK["fields"][:1]}
    sent(producer, clicks, range(5))
    config = f"{registry_url}/config/{clicks.subject}"
    httpx.put(config, json={"compatibility": "NONE"}).raise_for_status()
    with running(wanted) as archiver:
        until(lambda: archived(table) == 5)
        producer.send(EventType(clicks.topic, narrow, key="user"), {"user": "u1"})
        producer.flush()
        until(lambda: archiver.problems)
        assert "field number is not written" in " ".join(archiver.problems.values())
        number = {"name": "number", "type": "long", "default": -1}
        wanted[clicks.topic] = EventType(clicks.topic, {**CLICK, "fields": [CLICK["fields"][0], number]}, key="user")
        until(lambda: archived(table) == 6)

    assert numbers(scan(table, clicks, None, Codec(registry))) == [-1, *range(5)]


def test_a_disk_that_is_gone_for_a_while_costs_nothing_but_time(
    tmp_path: Path, registry: RegistryClient, producer: Producer, clicks: EventType, running: Running, shelf: Shelf
) -> None:
    table, folder = shelf.table(clicks.topic), Path(shelf.url)
    with running({clicks.topic: clicks}) as archiver:
        sent(producer, clicks, range(10))
        until(lambda: archived(table) == 10)
        folder.rename(tmp_path / "away")
        folder.write_text("no folder")
        sent(producer, clicks, range(10, 20))
        until(lambda: archiver.problems)
        folder.unlink()
        (tmp_path / "away").rename(folder)
        until(lambda: archived(shelf.table(clicks.topic)) == 20)
        until(lambda: not archiver.problems)

    assert numbers(scan(shelf.table(clicks.topic), clicks, None, Codec(registry))) == list(range(20))


def test_the_archive_of_one_topic_that_cannot_be_read_holds_up_no_other(
    registry: RegistryClient, topics: Topics, producer: Producer, clicks: EventType, shelf: Shelf, running: Running
) -> None:
    broken, table = EventType(f"{clicks.topic}-broken", CLICK, key="user"), shelf.table(clicks.topic)
    topics.ensure(broken.topic, 2)
    sent(producer, clicks, range(10))
    sent(producer, broken, range(10))
    log = Path(shelf.url) / broken.topic / "_delta_log"
    log.mkdir(parents=True)
    (log / f"{0:020}.json").write_text("no commit")
    with running({clicks.topic: clicks, broken.topic: broken}) as archiver:
        until(lambda: archived(table) == 10)
        assert broken.topic in archiver.problems
        (log / f"{0:020}.json").unlink()
        until(lambda: not archiver.problems and archived(shelf.table(broken.topic)) == 10)

    assert numbers(scan(shelf.table(broken.topic), broken, None, Codec(registry))) == list(range(10))


def test_a_topic_that_asks_for_it_later_is_archived_too_also_after_a_kill(
    topics: Topics, producer: Producer, clicks: EventType, shelf: Shelf, running: Running
) -> None:
    others = [EventType(f"{clicks.topic}-{name}", CLICK, key="user") for name in ("second", "third")]
    wanted = {clicks.topic: clicks}
    for other in others:
        topics.ensure(other.topic, 2)
        sent(producer, other, range(10))
    with running(wanted), pytest.MonkeyPatch.context() as patch:
        until(lambda: shelf.table(clicks.topic).look())
        wanted[others[0].topic] = others[0]
        until(lambda: archived(shelf.table(others[0].topic)) == 10)
        patch.setattr(Consumer, "leave", lambda consumer: None)  # a process that is killed does not
        wanted[others[1].topic] = others[1]
        until(lambda: archived(shelf.table(others[1].topic)) == 10)


def test_an_archive_that_is_gone_is_not_begun_anew_when_other_topics_are_wanted(
    monkeypatch: pytest.MonkeyPatch,
    topics: Topics,
    producer: Producer,
    clicks: EventType,
    shelf: Shelf,
    running: Running,
) -> None:
    monkeypatch.setattr("streams.archive.archiver.PATIENCE", 0.1)
    other, wanted, table = EventType(f"{clicks.topic}-other", CLICK, key="user"), {clicks.topic: clicks}, clicks.topic
    topics.ensure(other.topic, 2)
    sent(producer, clicks, range(10))
    with running(wanted) as archiver:
        until(lambda: archived(shelf.table(table)) == 10)
        (Path(shelf.url) / table).rename(Path(shelf.url) / "away")
        wanted[other.topic] = other
        sent(producer, other, range(10))
        sent(producer, clicks, range(10, 20))
        until(lambda: archived(shelf.table(other.topic)) == 10)
        until(lambda: "is gone" in archiver.problems.get(table, ""))
        assert not (Path(shelf.url) / table).exists()
        (Path(shelf.url) / "away").rename(Path(shelf.url) / table)
        until(lambda: archived(shelf.table(table)) == 20)


def test_it_goes_on_behind_a_hole_as_soon_as_that_is_skipped(
    cluster: Kafka, registry: RegistryClient, producer: Producer, clicks: EventType, shelf: Shelf, running: Running
) -> None:
    table = shelf.table(clicks.topic)
    sent(producer, clicks, range(10), users=1)
    with running({clicks.topic: clicks}):
        until(lambda: archived(table) == 10)
    partition = next(at for at in range(4) if table.position(at))
    sent(producer, clicks, range(10, 30), users=1)
    admin = AdminClient(cluster.client({}, {}))
    for done in admin.delete_records([TopicPartition(clicks.topic, partition, 20)]).values():
        done.result()
    with running({clicks.topic: clicks}) as archiver:
        until(lambda: archiver.problems)
        assert "its log begins at 20" in " ".join(archiver.problems.values())
        assert shelf.table(clicks.topic).skip(partition, 20) == 10
        until(lambda: archived(table) == 20)
        assert not archiver.problems

    assert numbers(scan(table, clicks, cluster, Codec(registry))) == [*range(10), *range(20, 30)]


def test_a_hole_between_archive_and_log_is_told_and_never_passed_over(
    cluster: Kafka, registry: RegistryClient, producer: Producer, clicks: EventType, shelf: Shelf
) -> None:
    table = shelf.table(clicks.topic)
    sent(producer, clicks, range(5))
    table.create(clicks.frame_schema)
    table.append(pl.DataFrame(schema=pl.scan_delta(table.place).collect_schema()), {0: (None, 1_000)})

    with pytest.raises(ArchiveBehind, match="archived up to 1000"):
        scan(table, clicks, cluster, Codec(registry))


def test_a_topic_that_was_made_anew_is_not_archived_behind_the_old_one(
    cluster: Kafka,
    topics: Topics,
    registry: RegistryClient,
    producer: Producer,
    clicks: EventType,
    shelf: Shelf,
    running: Running,
) -> None:
    table = shelf.table(clicks.topic)
    sent(producer, clicks, range(10))
    with running({clicks.topic: clicks}):
        until(lambda: archived(table) == 10)
    before = topics.identity(clicks.topic)
    admin = AdminClient(cluster.client({}, {}))
    admin.delete_topics([clicks.topic])[clicks.topic].result()
    until(lambda: clicks.topic not in topics.names())
    topics.ensure(clicks.topic, 4)
    until(lambda: topics.identity(clicks.topic) != before)
    sent(producer, clicks, range(100, 300))

    with running({clicks.topic: clicks}) as archiver:
        until(lambda: "was deleted and made anew" in archiver.problems.get(clicks.topic, ""))
    assert numbers(scan(table, clicks, None, Codec(registry))) == list(range(10))
    with pytest.raises(ArchiveRefused, match="made anew"):
        scan(table, clicks, cluster, Codec(registry))


def test_where_the_log_began_when_its_archive_did_is_kept(
    cluster: Kafka, producer: Producer, clicks: EventType, shelf: Shelf, running: Running
) -> None:
    table = shelf.table(clicks.topic)
    sent(producer, clicks, range(20), users=1)
    admin = AdminClient(cluster.client({}, {}))
    wanted = [TopicPartition(clicks.topic, partition, 5) for partition in range(4)]
    for done in admin.delete_records(wanted).values():
        with suppress(KafkaException):  # of the partitions that have no events
            done.result()
    with running({clicks.topic: clicks}):
        until(lambda: archived(table) == 15)
        sent(producer, clicks, range(20, 30), users=1)
        until(lambda: archived(table) == 25)
    assert sorted(table.began(partition) for partition in range(4)) == [0, 0, 0, 5]

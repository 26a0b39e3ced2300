"""An archive that is tidied while it is written and read, and one on a full disk: each event once, and it goes on."""

from __future__ import annotations

import threading
from functools import partial
from pathlib import Path

import pytest

from benchmarks.prove_storage.small_disk import NoDisk, small_disk
from schemas import Codec, EventType, RegistryClient
from streams import Kafka, Producer
from streams.archive import ArchiveTable, Shelf, Upkeep, scan
from streams.errors import ArchiveUnavailable
from tests.streams.archive.conftest import Running
from tests.streams.archive.test_archiver import archived, numbers
from tests.streams.conftest import sent
from tests.waiting import until


def holds(table: ArchiveTable, rows: int) -> bool:
    return archived(table) == rows


def test_who_reads_while_it_is_tidied_has_each_event_once(
    cluster: Kafka, registry: RegistryClient, producer: Producer, clicks: EventType, shelf: Shelf, running: Running
) -> None:
    codec, stop, tidied, said = Codec(registry), threading.Event(), [0], list[Exception]()

    def tidy() -> None:
        while not stop.is_set():
            try:
                Upkeep(keep_days=1).done(shelf.table(clicks.topic))
                tidied[0] += 1
            except Exception as error:
                said.append(error)

    tidying = threading.Thread(target=tidy)
    with running({clicks.topic: clicks}):
        sent(producer, clicks, range(20))
        until(lambda: archived(shelf.table(clicks.topic)) == 20)
        earlier = scan(shelf.table(clicks.topic), clicks, None, codec)
        tidying.start()
        try:
            for first in range(20, 400, 20):
                sent(producer, clicks, range(first, first + 20))
                found = scan(shelf.table(clicks.topic), clicks, cluster, codec)
                assert numbers(found) == list(range(first + 20))
            until(lambda: archived(shelf.table(clicks.topic)) == 400)
            until(lambda: tidied[0] > 5)
        finally:
            stop.set()
            tidying.join()
    assert said == []
    assert numbers(earlier) == list(range(20))  # of before it was tidied
    Upkeep().done(shelf.table(clicks.topic))
    table = shelf.table(clicks.topic)
    assert (archived(table), table.size()["files"]) == (400, 1)


def test_an_archiver_outlives_a_full_disk(
    cluster: Kafka,
    registry: RegistryClient,
    producer: Producer,
    clicks: EventType,
    running: Running,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    try:
        with small_disk(tmp_path / "disk", 32) as disk:
            shelf, codec = Shelf(str(disk.folder / "archive")), Codec(registry)
            table = shelf.table(clicks.topic)
            with running({clicks.topic: clicks}, kept=shelf) as archiver:
                for most in range(20, 120, 20):
                    sent(producer, clicks, range(most - 20, most))
                    until(partial(holds, table, most))
                disk.fill()
                sent(producer, clicks, range(100, 200))
                until(lambda: "No space left" in archiver.problems.get(clicks.topic, ""))
                assert numbers(scan(shelf.table(clicks.topic), clicks, cluster, codec)) == list(range(200))
                with pytest.raises(ArchiveUnavailable, match="No space left"):
                    Upkeep().done(shelf.table(clicks.topic))
                assert archived(table) == 100
                disk.make_room()
                until(lambda: archived(table) == 200)
                until(lambda: not archiver.problems)
            Upkeep().done(shelf.table(clicks.topic))
            assert numbers(scan(shelf.table(clicks.topic), clicks, None, codec)) == list(range(200))
    except NoDisk as error:
        pytest.skip(str(error))
    assert [line for line in caplog.messages if "No space left" in line]

"""Personal values in an archive: hidden on their way in, and gone when somebody is to be erased."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from functools import partial
from pathlib import Path

import polars as pl
import pytest
from deltalake import DeltaTable
from deltalake.exceptions import DeltaError

from schemas import Codec, EventType, RegistryClient, SchemaError
from schemas.personal import PII, SUBJECT
from streams import Kafka, Producer
from streams.archive import ArchiveTable, Pseudonyms, Shelf, scan
from streams.archive.erasing import count, erase
from streams.errors import ArchiveRefused, ArchiveUnavailable
from tests.streams.archive.conftest import Running
from tests.streams.archive.test_archiver import archived
from tests.streams.conftest import CLICK, sent
from tests.waiting import until

OLD = "a:" + "0123456789abcdef" * 4
KEYS = "b:" + "fedcba9876543210" * 4 + "," + OLD
USER, NUMBER = CLICK["fields"]
RETENTION = "delta.logRetentionDuration"


def holds(table: ArchiveTable, rows: int) -> bool:
    return archived(table) == rows


def hiding(clicks: EventType) -> EventType:
    fields = [{**USER, PII: "hash"}, NUMBER]
    return EventType(clicks.topic, {**CLICK, "fields": fields}, key="user")


def holding(place: str | Path, texts: Iterable[str]) -> list[str]:
    """Files with one of these texts: as bytes, or in what a parquet file unpacks to."""
    found = []
    for path in Path(place).rglob("*"):
        if path.is_file():
            inside = path.read_bytes()
            if path.suffix == ".parquet":
                inside += repr(pl.read_parquet(path).to_dicts()).encode()
            found += [path.name for text in texts if text.encode() in inside]
    return found


def test_the_archive_and_the_fresh_tail_have_pseudonyms_and_no_file_has_a_name(
    cluster: Kafka, registry: RegistryClient, producer: Producer, clicks: EventType, shelf: Shelf, running: Running
) -> None:
    hidden, codec = hiding(clicks), Codec(registry)
    shelf = replace(shelf, pseudonyms=Pseudonyms.of_text(KEYS))
    table = shelf.table(clicks.topic)
    for number in range(60):
        producer.send(hidden, {"user": f"ann@example.org#{number % 3}", "number": number})
    producer.flush()
    with running({clicks.topic: hidden}, kept=shelf):
        until(lambda: archived(table) == 60)
    producer.send(hidden, {"user": "ann@example.org#1", "number": 60})
    producer.flush()

    assert holding(shelf.url, ["ann@example.org"]) == []
    found = scan(table, hidden, cluster, codec).collect()
    assert found["user"].n_unique() == 3
    assert found["user"].str.contains("^b:[0-9a-f]{64}$").all()
    asked = scan(table, hidden, cluster, codec, where={"user": "ann@example.org#1"}).collect()
    assert sorted(asked["number"]) == [*range(1, 60, 3), 60]
    with pytest.raises(ArchiveRefused, match="set archive_pii_key"):
        scan(replace(shelf, pseudonyms=None).table(clicks.topic), hidden, cluster, codec)


def test_who_is_erased_is_gone_from_rows_old_files_and_the_log_while_an_archiver_goes_on(
    registry: RegistryClient, producer: Producer, clicks: EventType, shelf: Shelf, running: Running
) -> None:
    table = shelf.table(clicks.topic)
    with running({clicks.topic: clicks}):
        for start in range(0, 90, 30):
            producer.send(clicks, {"user": "ann@example.org", "number": -1})
            sent(producer, clicks, range(start, start + 30), users=3)
            until(partial(holds, table, (start + 30) * 31 // 30))
        orphan = Path(table.place) / "part-of-another-archiver.parquet"
        pl.DataFrame({"user": ["u1"]}).write_parquet(orphan)

        assert erase(shelf.table(clicks.topic), "user", ["ann@example.org"]) == 3

        assert count(shelf.table(clicks.topic), "user", ["ann@example.org"]) == 0
        assert holding(shelf.url, ["ann@example.org"]) == []
        assert orphan.exists()
        assert erase(shelf.table(clicks.topic), "user", ["ann@example.org"]) == 0
        sent(producer, clicks, range(90, 100))
        until(lambda: archived(table) == 100)
    found = scan(table, clicks, None, Codec(registry)).collect()
    assert sorted(found["number"]) == list(range(100))


def sales(shelf: Shelf, names: list[str]) -> ArchiveTable:
    """An archive of one event for each name, with numbers from 0 on."""
    table = shelf.table("sales")
    table.create({"user": pl.String(), "shop": pl.Int64()})
    own = {"_partition": 0, "_timestamp": None, "_date": None}
    rows = pl.DataFrame(
        [{"user": name, "shop": number, "_offset": number, **own} for number, name in enumerate(names)],
        schema=pl.scan_delta(table.place).collect_schema(),
    )
    table.append(rows, {0: (None, len(names))})
    return table


def test_values_with_quotes_and_integers_are_found_as_they_are(shelf: Shelf) -> None:
    table = sales(shelf, ["o'neil", 'b"ob', "x' OR '1'='1"])
    assert erase(table, "user", ["x' OR '1'='1"]) == 1
    assert erase(table, "user", ["o'neil"]) == 1
    assert erase(table, "shop", ["1; DROP", "1"]) == 1
    assert count(table, "shop", ["0", "1", "2"]) == 0
    assert table.look()
    assert table.position(0) == 3


@pytest.mark.parametrize("text", ["01", "-0", "--1", "\u0661", "1" * 5_000, str(2**63)])
def test_a_text_that_only_resembles_a_number_is_nobody_of_an_integer(shelf: Shelf, text: str) -> None:
    table = sales(shelf, ["ann", "bob"])
    assert erase(table, "shop", [text]) == 0
    assert count(table, "shop", ["0", "1"]) == 2


def test_an_erasure_that_was_interrupted_leaves_a_table_whose_log_is_kept_once_it_is_done_again(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    table, days = sales(shelf, ["ann", "bob"]), "interval 7 days"
    assert table.look()
    assert table.snapshot is not None
    table.snapshot.alter.set_table_properties({RETENTION: days})

    def refused(self: DeltaTable) -> None:
        raise DeltaError("The store is away.")

    with monkeypatch.context() as away:
        away.setattr(DeltaTable, "cleanup_metadata", refused)
        with pytest.raises(ArchiveUnavailable, match="Erase again"):
            erase(table, "user", ["ann"])
    assert retention(table) == days

    table.snapshot.alter.set_table_properties({RETENTION: "interval 0 seconds"})  # as a kill leaves it
    assert erase(table, "user", ["ann"]) == 0
    assert retention(table) == "interval 30 days"


def retention(table: ArchiveTable) -> str | None:
    assert table.look()
    assert table.snapshot is not None
    return table.snapshot.metadata().configuration.get(RETENTION)


def test_a_pseudonym_says_its_key_and_older_keys_still_find_theirs() -> None:
    older, both = Pseudonyms.of_text(OLD), Pseudonyms.of_text(KEYS)
    assert older is not None
    assert both is not None
    assert both.of("u42").startswith("b:")
    assert both.every("u42") == [both.of("u42"), older.of("u42")]
    assert OLD[2:] not in repr(both)


@pytest.mark.parametrize("text", ["hush", "a:short", f"{OLD},{OLD}", f"{OLD},", "A:" + "x" * 40])
def test_keys_that_are_none_are_refused_without_being_shown(text: str) -> None:
    with pytest.raises(ArchiveRefused) as refused:
        Pseudonyms.of_text(text)
    assert text not in str(refused.value)


def test_marks_that_an_archive_could_not_keep_are_refused() -> None:
    for fields, problem in [
        ([{**USER, PII: "secret"}, NUMBER], "it is 'personal' or 'hash'"),
        ([USER, {**NUMBER, PII: "hash"}], "must be a string"),
        ([USER, {"name": "to", "type": {"type": "record", "name": "To", "fields": [{**USER, PII: "hash"}]}}], "inside"),
    ]:
        with pytest.raises(SchemaError, match=problem):
            EventType("clicks", {**CLICK, "fields": fields})
    with pytest.raises(SchemaError, match="no field 'who' to be its subject"):
        EventType("clicks", {**CLICK, SUBJECT: "who"})
    assert EventType("clicks", {**CLICK, SUBJECT: "number"}, key="user").about == "number"
    assert EventType("clicks", CLICK, key="user").about is None

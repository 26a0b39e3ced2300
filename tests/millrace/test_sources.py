"""External sources: snapshots of files, of the web and of a real PostgreSQL, and their changes as events in Kafka."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import psycopg
import pytest
from typer.testing import CliRunner

import millrace as mr
from learners.declaration import declarations
from learners.homes import Homes
from learners.lane import Lane
from millrace.cli import app
from millrace.platform import Platform
from millrace.product import ProductError
from millrace.sources.changes import Changes
from millrace.sources.errors import SourceMissing, SourceRefused, SourceUnavailable
from millrace.sources.snapshot import snapshots_of
from schemas.errors import MillraceError
from storage import Memory
from storage.errors import FileRefused, StorageUnavailable
from streams import Consumer
from streams.errors import DeliveryFailed
from tests.millrace.source_stage import Stage, Web, web
from tests.streams.conftest import Positions

FILE = 'path = "prices.csv"\nkey = "item"\n'
FIRST, SECOND = "item,price\ni1,1.5\ni2,2\n", "item,price\ni1,1.5\ni2,3\ni3,4\n"


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    return Stage(tmp_path)


@pytest.fixture
def server() -> Iterator[Web]:
    with web() as state:
        yield state


def prices(stage: Stage, **options: Any) -> dict[str, float]:
    found = mr.scan_source("prices", settings=stage.settings, **options).collect()
    return dict(found.select("item", "price").iter_rows())


def test_a_join_as_of_a_moment_finds_the_snapshot_that_was_valid_then(stage: Stage) -> None:
    stage.declare(FILE)
    stage.write(FIRST)
    first = stage.snapshot()
    stage.write(SECOND)
    second = stage.snapshot()

    assert (first.new, second.new, second.rows) == (True, True, 3)
    assert prices(stage) == {"i1": 1.5, "i2": 3.0, "i3": 4.0}
    assert prices(stage, at=first.at) == {"i1": 1.5, "i2": 2.0}
    assert prices(stage, at=second.at - timedelta(microseconds=1)) == {"i1": 1.5, "i2": 2.0}
    with pytest.raises(SourceMissing, match="no snapshot of"):
        prices(stage, at=first.at - timedelta(seconds=1))

    history = mr.scan_source("prices", history=True, settings=stage.settings).collect()
    clicks = pl.DataFrame(
        {"item": ["i2", "i2"], "at": [first.at, second.at]}, schema_overrides={"at": pl.Datetime("us", "UTC")}
    )
    joined = clicks.sort("at").join_asof(
        history.sort("valid_from"), left_on="at", right_on="valid_from", by="item", check_sortedness=False
    )
    assert joined["price"].to_list() == [2.0, 3.0]
    assert joined["valid_to"].to_list() == [second.at, None]


def test_the_same_rows_in_another_order_make_no_snapshot(stage: Stage) -> None:
    stage.declare(FILE)
    stage.write(FIRST)
    assert stage.snapshot().new
    stage.write("item,price\ni2,2.0\ni1,1.5\n")
    assert not stage.snapshot().new
    assert len(snapshots(stage)) == 1


def snapshots(stage: Stage) -> list[Any]:
    found = snapshots_of("prices", stage.settings)
    found.look()
    return found.all


@pytest.mark.parametrize(
    ("more", "text", "message"),
    [
        (
            "",
            "item,price\ni1,1.5\ni2,dear\n",
            r"prices.csv, line 3, column 'price': found 'dear', expected a finite nu",
        ),
        ("", "item\ni1\n", r"the column 'price' is missing; it has 'item'"),
        ("", "item,price\ni1,1\n,2\n", r"line 3, column 'item': found nothing, expected a key"),
        ("", "item,price\ni1,1\ni2,2\ni1,3\n", r"row 3: found the key 'i1' again, after row 1"),
        ("", "item,price\n", r"has no rows, so that no snapshot was made"),
        ('columns = { item = "text", price = "text" }', FIRST, r"prices.price is declared text, and is number in its"),
        ("limit_mb = 1", "item,price\n" + "i1,1\n" * 300_000, r"larger than its limit_mb, 1 MB"),
        ("", '[{"item": "i1"}]', r"is one JSON list; write each of its objects on a line"),
    ],
)
def test_what_does_not_fit_is_named_and_leaves_the_archive_as_it_was(
    stage: Stage, more: str, text: str, message: str
) -> None:
    stage.declare(FILE)
    stage.write(FIRST)
    stage.snapshot()
    stage.declare(FILE + more)
    stage.write(text)
    with pytest.raises(MillraceError, match=message):
        stage.snapshot()
    assert prices(stage) == {"i1": 1.5, "i2": 2.0}


def test_objects_of_json_that_all_lack_a_column_are_refused(stage: Stage) -> None:
    stage.declare('path = "prices.ndjson"\ncolumns = { item = "text", price = "number", at = "time", day = "date" }')
    row = {"item": 7, "price": 1, "at": "2026-01-31T12:00:00+01:00", "day": None}
    stage.write(json.dumps(row) + '\n{"item": "i2"}\n', "prices.ndjson")
    stage.snapshot()
    found = mr.scan_source("prices", settings=stage.settings).drop("valid_from", "valid_to").collect().rows()
    assert sorted(found) == [("7", 1.0, datetime(2026, 1, 31, 11, tzinfo=UTC), None), ("i2", None, None, None)]

    stage.write('{"item": "i2", "price": 2}\n', "prices.ndjson")
    with pytest.raises(SourceRefused, match="no row has the column 'at'"):
        stage.snapshot()


def test_a_new_column_is_left_out_until_it_is_declared(stage: Stage) -> None:
    stage.declare(FILE)
    stage.write(FIRST)
    stage.snapshot()
    stage.write("item,price,maker\ni1,1.5,acme\ni2,2,\n")
    assert stage.snapshot().left_out == ("maker",)

    stage.declare(FILE + 'columns = { item = "text", price = "number", maker = "text" }')
    assert stage.snapshot().new
    history = mr.scan_source("prices", history=True, settings=stage.settings).sort("valid_from", "item").collect()
    assert history["maker"].to_list() == [None, None, "acme", None]


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ('path = "a.csv"\nurl = "https://x/a.csv"', "say where it is by one of path, url, url_env and query"),
        ('query = "SELECT 1"', "a query needs database_env"),
        ('url = "https://ann:secret@x/a.csv"', "holds a password or a token; put the address into a variable"),
        ('url = "https://x/a.csv?token=abc"', "holds a password or a token"),
        (FILE + 'columns = { price = "money" }', "declared 'money', which is none of text, integer"),
        (FILE + 'emit = "elsewhere"', "emits to 'elsewhere', which is no event type"),
        (FILE + 'keys = "item"', "nobody reads 'keys'"),
        ('path = "a.csv"\nemit = "elsewhere"', "to emit, it needs a key"),
    ],
)
def test_a_declaration_that_contradicts_itself_or_holds_a_secret_is_refused(
    stage: Stage, table: str, message: str
) -> None:
    stage.declare(table)
    with pytest.raises(ProductError, match=message) as refused:
        stage.snapshot()
    assert "secret" not in str(refused.value).replace("secrets", "")


def test_the_web_is_asked_only_for_what_has_changed(stage: Stage, server: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PRICES_AUTHORIZATION", "Bearer s3cret")
    stage.declare(f'url = "{server.url}"\nauthorization_env = "PRICES_AUTHORIZATION"\nkey = "item"')
    server.body = FIRST.encode()
    assert [stage.snapshot().new, stage.snapshot().new] == [True, False]
    server.body = SECOND.encode()
    assert stage.snapshot().new

    assert server.answered == [200, 304, 200]
    assert {one["Authorization"] for one in server.asked} == {"Bearer s3cret"}
    assert prices(stage) == {"i1": 1.5, "i2": 3.0, "i3": 4.0}


@pytest.mark.parametrize(("status", "kind"), [(503, SourceUnavailable), (404, SourceRefused)])
def test_what_the_web_refuses_is_said_without_its_address(
    stage: Stage, server: Web, status: int, kind: type[MillraceError], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PRICES_URL", f"{server.url}?key=s3cret")
    stage.declare('url_env = "PRICES_URL"')
    server.status = status
    with pytest.raises(kind, match=f"The source prices answers {status}") as refused:
        stage.snapshot()
    assert "s3cret" not in str(refused.value)

    monkeypatch.setenv("PRICES_URL", "http://prices.example/p?key=s3cret")
    with pytest.raises(SourceRefused, match="is asked without TLS") as refused:
        stage.snapshot()
    assert "s3cret" not in str(refused.value)


def test_another_machine_cannot_send_it_to_an_address_of_this_one(
    tmp_path: Path, server: Web, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage = Stage(tmp_path, allow_insecure_stores=True)
    monkeypatch.setenv("http_proxy", server.url.rpartition("/")[0])  # through which that machine is here
    stage.declare('url = "http://prices.example/prices.csv"')
    server.body, server.status, server.headers = FIRST.encode(), 302, {"Location": "http://127.0.0.1/prices.csv"}

    with pytest.raises(SourceRefused, match="sends whoever asks it to an address of this one"):
        stage.snapshot()

    assert [one["Host"] for one in server.asked] == ["prices.example"]


def test_an_answer_of_the_web_that_is_too_large_is_given_up(stage: Stage, server: Web) -> None:
    stage.declare(f'url = "{server.url}"\nlimit_mb = 1')
    server.body = b"item,price\n" + b"i1,1\n" * 300_000
    with pytest.raises(SourceRefused, match="larger than its limit_mb, 1 MB"):
        stage.snapshot()


@pytest.mark.parametrize("part", ["headers", "body"])
def test_a_server_that_goes_on_and_on_is_given_up_at_the_time_out(stage: Stage, server: Web, part: str) -> None:
    server.drop_by_drop = part
    stage.declare(f'url = "{server.url}"\ntimeout = "1s"')
    begun = time.monotonic()
    with pytest.raises(SourceUnavailable, match="was not all there within 1 s"):
        stage.snapshot()
    assert 0.9 < time.monotonic() - begun < 4


def test_a_query_is_read_in_one_transaction_that_cannot_write(
    stage: Stage, postgresql_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CRM_URL", postgresql_url)
    with psycopg.connect(postgresql_url) as connection:
        connection.execute("DROP TABLE IF EXISTS source_prices")
        connection.execute(
            "CREATE TABLE source_prices AS SELECT 'i' || n AS item, n::numeric / 2 AS price, n AS number, "
            "n % 2 = 0 AS even, timestamptz '2026-01-31 12:00+01' AS at, date '2026-01-31' AS day, "
            "timestamp '2026-01-31 12:00' AS local, jsonb_build_object('n', n) AS more FROM generate_series(1, 5000) n"
        )
    stage.declare('query = "SELECT * FROM source_prices"\ndatabase_env = "CRM_URL"\nkey = "item"')
    assert stage.snapshot().rows == 5_000
    row = mr.scan_source("prices", settings=stage.settings).filter(item="i3").drop("valid_from", "valid_to").collect()
    noon = datetime(2026, 1, 31, 12)
    assert row.rows() == [
        ("i3", 1.5, 3, False, (noon - timedelta(hours=1)).replace(tzinfo=UTC), noon.date(), noon, '{"n": 3}')
    ]
    assert not stage.snapshot().new

    for query, message in {
        "DELETE FROM source_prices RETURNING item": "the database refuses the query",
        "SELECT array[1] AS list": "the column 'list' has a type that is not read",
        "SELECT item FROM nowhere": "nowhere",
    }.items():
        stage.declare(f'query = "{query}"\ndatabase_env = "CRM_URL"')
        with pytest.raises(FileRefused, match=message):
            stage.snapshot()
    stage.declare('query = "SELECT pg_sleep(9)::text AS a"\ndatabase_env = "CRM_URL"\ntimeout = "1s"')
    with pytest.raises(StorageUnavailable, match="canceling statement"):
        stage.snapshot()
    monkeypatch.setenv("CRM_URL", "postgresql://ann:s3cret@127.0.0.1:1/crm")
    with pytest.raises(StorageUnavailable) as away:
        stage.snapshot()
    assert "s3cret" not in str(away.value)


def test_what_is_new_or_changed_is_emitted_once_also_after_an_end_in_between(
    tmp_path: Path, kafka: str, registry_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage = Stage(tmp_path, kafka=kafka, registry_url=registry_url)
    stage.declare(FILE + f'emit = "{stage.topic}"')
    stage.write(FIRST)
    assert stage.snapshot().emitted == 2
    assert stage.snapshot().emitted == 0

    stage.write(SECOND)
    with monkeypatch.context() as broken:
        broken.setattr(Changes, "emit", unacknowledged(Changes.emit))
        with pytest.raises(DeliveryFailed):
            stage.snapshot()
    stage.write("item,price\ni1,1.5\ni2,3\ni3,5\n")
    assert stage.snapshot().emitted == 3  # two of the snapshot before, and one

    logged = mr.scan(stage.topic, settings=stage.settings, archived=False).sort("_timestamp", "_offset").collect()
    assert logged.height == 7  # two of them twice
    replay = [(item, price) for item, price in logged.select("item", "price").iter_rows()]
    assert sorted(set(replay)) == [("i1", 1.5), ("i2", 2.0), ("i2", 3.0), ("i3", 4.0), ("i3", 5.0)]
    assert folded_once(stage) == sorted(set(replay))


def unacknowledged(emit: Any) -> Any:
    """All events are sent, and nobody hears of it."""

    def fails(self: Changes, snapshots: Any, *rest: Any) -> int:
        def unheard(*_: object) -> None:
            raise DeliveryFailed("the process ended")

        snapshots.mark_emitted = unheard
        return int(emit(self, snapshots, *rest))

    return fails


def folded_once(stage: Stage) -> list[tuple[str, float]]:
    """What a learner folds that is told that some may be emitted twice."""
    found: list[tuple[str, float]] = []

    class Prices(mr.FrameLearner):
        changes = mr.stream(stage.topic, emitted=True)
        count = mr.Counters("count")

        def learn(self, batch: mr.Batch) -> None:
            found.extend(batch.frame.select("item", "price").iter_rows())

    [declaration], memory = declarations([Prices], {stage.topic: stage.event_type}), Memory()
    generation = Homes.single(declaration, memory).declare()
    with closing(Platform(stage.settings)) as platform:
        ends = platform.topics.ends([stage.topic])
        lanes = {at: Lane(declaration, generation, at, memory) for _, at in ends}
        left = sum(high for _, high in ends.values())
        known = {stage.topic: stage.event_type}
        consumer = Consumer(
            platform.kafka, platform.codec, f"group-{stage.topic}", "one", known, Positions(), emitted=[stage.topic]
        )
        with closing(consumer):
            while left:
                for fetched in consumer.poll(0.2, 100):
                    left -= fetched.batch.rows
                    lane = lanes[fetched.batch.partition]
                    lane._fold.fold(fetched.batch)
                    lane._commit(fetched.batch.next)
    return sorted(found)


def test_a_row_that_is_no_event_is_refused_before_there_is_a_snapshot_of_it(stage: Stage) -> None:
    stage.declare(FILE + f'emit = "{stage.topic}"')
    stage.write("item,price\ni1,1.5\ni2,\n")
    with pytest.raises(FileRefused, match="line 3, column 'price': found null"):
        stage.snapshot()
    stage.write("item,cost\ni1,1.5\n")
    with pytest.raises(SourceRefused, match="have a field 'price' without a default, and the source prices no such"):
        stage.snapshot()
    assert snapshots(stage) == []


def test_the_command_takes_a_snapshot_and_shows_what_there_is(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MILLRACE_ARCHIVE_URL", stage.settings.archive_url)
    stage.declare(FILE)
    stage.write(FIRST)

    def ran(*arguments: str) -> Any:
        done = CliRunner().invoke(app, ["sources", *arguments, "--output", "json"], catch_exceptions=False)
        assert done.exit_code == 0, done.output
        return json.loads(done.stdout)

    product = ["--product", str(stage.folder)]
    assert [ran("snapshot", "prices", *product)["new"] for _ in range(2)] == [True, False]
    assert (
        ran("list", *product)[0].items()
        >= {"source": "prices", "from": "prices.csv", "snapshots": 1, "rows": 2}.items()
    )
    shown = ran("show", "prices")
    assert shown["columns"] == {"item": "text", "price": "number"}
    assert [item["rows"] for item in shown["snapshots"]] == [2]

"""What only PostgreSQL can do wrong: connections that end at any step, a server that ends, roles, secrets, silence."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pytest

from storage.address import Address
from storage.errors import FormatRefused, StorageUnavailable, UnknownOutcome, WriteRefused
from storage.relational import postgresql
from storage.relational.postgresql import Postgresql
from storage.relational.relational import Relational, opened, opened_reads
from storage.technology import Newest
from storage.unit import Outcome
from storage.writes import Writes
from tests.contracts.model import COUNTS, PLACES, RECORDS, TREND, storage, unit
from tests.storage.postgresql_stage import OwnPostgresql, cutting

STEPS = 12
"""More statements than a commit has."""


def everything(number: int = 1) -> Writes:
    """A write of each kind."""
    return Writes(
        puts={Address(RECORDS, "k"): str(number).encode()},
        sums={Address(COUNTS, "k"): {"x": 1}},
        scores={Address(TREND, "k", 3): {"x": 1.0}},
        ranks={Address(PLACES, "k"): {"x": float(number)}},
        newest={TREND: number},
    )


def must_be_folded(technology: Relational, times: int) -> None:
    """All rows are those of so many commits of `everything`, and the position says so."""
    assert [state.next for state in technology.units(storage(COUNTS))] == [times]
    assert dict(technology.dump(storage(RECORDS))) == {Address(RECORDS, "k"): str(times).encode()}
    assert dict(technology.dump(storage(COUNTS))) == {Address(COUNTS, "k"): {"x": times}}
    assert dict(technology.dump(storage(TREND))) == {Address(TREND, "k", 3): {"x": float(times)}}
    assert dict(technology.dump(storage(PLACES))) == {Address(PLACES, "k"): {"x": float(times)}}
    assert technology.newest(storage(TREND)) == Newest(3, times)


@pytest.fixture
def technology(postgresql_clean: str) -> Iterator[Relational]:
    made = Relational(Postgresql(postgresql_clean))
    yield made
    made.close()


async def test_a_database_that_knows_no_encoding_is_used_all_the_same(own_postgresql: OwnPostgresql) -> None:
    with psycopg.connect(own_postgresql.url, autocommit=True) as connection:
        connection.execute("CREATE DATABASE plain ENCODING 'SQL_ASCII' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0")
    url = urlsplit(own_postgresql.url)._replace(path="/plain").geturl()
    with closing(opened(url)) as made:
        made.declare(storage(RECORDS))
        claim = made.claim(unit(), "a")
        made.commit(claim, None, 1, Writes(puts={Address(RECORDS, "clé"): b"1"}), 5)
        assert [found.title for found in made.storages()] == [storage(RECORDS).title]
        assert dict(made.dump(storage(RECORDS))) == {Address(RECORDS, "clé"): b"1"}
        reads = opened_reads(url)
        assert (await reads.listed()).sorted() == made.storages()
        assert await reads.rows(storage(RECORDS), ["clé"]) == [b"1"]
        await reads.close()


async def test_readers_of_a_database_without_tables_say_nothing_in_the_log(
    own_postgresql: OwnPostgresql, caplog: pytest.LogCaptureFixture
) -> None:
    reads = opened_reads(own_postgresql.url)
    found, units = await asyncio.gather(reads.listed(), reads.units(storage(RECORDS)))
    assert (found.sorted(), found.aliases, units) == ([], {}, [])
    await reads.close()
    assert caplog.records == []


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("step", range(STEPS))
def test_a_connection_that_ends_at_any_step_of_a_commit_leaves_all_or_nothing(
    technology: Relational, postgresql_clean: str, monkeypatch: pytest.MonkeyPatch, step: int, when: str
) -> None:
    claim = technology.claim(unit(), "a")
    assert technology.commit(claim, None, 1, everything(1), 5) is Outcome.OK
    steps = killing_at(monkeypatch, postgresql_clean, step, when)
    try:
        outcome = technology.commit(claim, 1, 2, everything(2), 6)
    except StorageUnavailable:
        assert step < len(steps) - 1 or when == "before", "it was committed"
        outcome = technology.commit(claim, 1, 2, everything(2), 6)
        assert outcome is Outcome.OK
    except UnknownOutcome:
        assert "COMMIT" in steps[-1]
        outcome = technology.commit(claim, 1, 2, everything(2), 6)
    assert outcome in (Outcome.OK, Outcome.ALREADY)
    must_be_folded(technology, 2)
    assert technology.commit(claim, 1, 2, everything(2), 6) is Outcome.ALREADY


def killing_at(patch: pytest.MonkeyPatch, url: str, step: int, when: str) -> list[str]:
    """End the connection from elsewhere at its nth statement, once; returns the statements as they come."""
    seen: list[str] = []
    plainly = postgresql._Connection.execute

    def execute(self: postgresql._Connection, query: Any, *arguments: Any, **options: Any) -> Any:
        seen.append(str(query))
        mine = len(seen) == step + 1
        if mine and when == "before":
            terminate(url, self.info.backend_pid)
        found = plainly(self, query, *arguments, **options)
        if mine and when == "after":
            terminate(url, self.info.backend_pid)
        return found

    patch.setattr(postgresql._Connection, "execute", execute)
    return seen


def terminate(url: str, process: int) -> None:
    with psycopg.connect(url, autocommit=True) as raw:
        raw.execute("SELECT pg_terminate_backend(%s, 5000)", [process])


@pytest.mark.parametrize("heard", [True, False])
def test_a_commit_whose_answer_is_lost_is_unknown_and_the_identical_one_tells(
    postgresql_clean: str, heard: bool
) -> None:
    port = urlsplit(postgresql_clean).port
    assert port is not None
    with cutting(port) as network:
        technology = Relational(Postgresql(postgresql_clean.replace(f":{port}/", f":{network.port}/")))
        claim = technology.claim(unit(), "a")
        assert technology.commit(claim, None, 1, everything(1), None) is Outcome.OK
        network.word, network.heard = b"COMMIT", heard
        with pytest.raises(UnknownOutcome, match="may have committed"):
            technology.commit(claim, 1, 2, everything(2), None)
        assert network.cuts == 1
        again = technology.commit(claim, 1, 2, everything(2), None)
        assert again is (Outcome.ALREADY if heard else Outcome.OK)
        must_be_folded(technology, 2)
        technology.close()


def test_what_breaks_before_the_commit_was_sent_has_not_happened(postgresql_clean: str) -> None:
    port = urlsplit(postgresql_clean).port
    assert port is not None
    with cutting(port) as network:
        technology = Relational(Postgresql(postgresql_clean.replace(f":{port}/", f":{network.port}/")))
        claim = technology.claim(unit(), "a")
        network.word = b"UPDATE millrace_units"
        with pytest.raises(StorageUnavailable):
            technology.commit(claim, None, 1, everything(1), None)
        assert technology.commit(claim, None, 1, everything(1), None) is Outcome.OK
        must_be_folded(technology, 1)
        technology.close()


@pytest.mark.slow
def test_a_server_that_is_killed_again_and_again_loses_and_doubles_nothing(own_postgresql: OwnPostgresql) -> None:
    technology, done = Relational(Postgresql(own_postgresql.url, timeout=2)), threading.Event()

    def work() -> int:
        claim, position = technology.claim(unit(), "a"), 0
        while not done.is_set() or position == 0:
            try:
                outcome = technology.commit(claim, position or None, position + 1, everything(position + 1), None)
            except (StorageUnavailable, UnknownOutcome):
                continue
            assert outcome in (Outcome.OK, Outcome.ALREADY)
            position += 1
        return position

    with ThreadPoolExecutor(1) as pool:
        working = pool.submit(work)
        for _ in range(3):
            done.wait(0.3)
            own_postgresql.kill()
            own_postgresql.start()
        done.set()
        position = working.result()
    must_be_folded(technology, position)
    technology.close()


def test_silence_ends_with_the_time_out_and_no_write_of_it_comes_later(own_postgresql: OwnPostgresql) -> None:
    technology = Relational(Postgresql(own_postgresql.url, timeout=1))
    claim = technology.claim(unit(), "a")
    own_postgresql.pause()
    with pytest.raises(StorageUnavailable, match="no answer for 1 s"):
        technology.commit(claim, None, 1, everything(1), None)
    own_postgresql.resume()
    assert technology.commit(claim, None, 1, everything(1), None) is Outcome.OK
    must_be_folded(technology, 1)
    technology.close()


def test_units_that_add_to_the_same_rows_in_any_order_all_get_through(technology: Relational) -> None:
    names = [str(number) for number in range(40)]

    def work(partition: int) -> None:
        claim = technology.claim(unit(partition=partition), "a")
        order = names if partition % 2 else names[::-1]
        for position in range(20):
            writes = Writes(scores={Address(PLACES, name): {"x": 1.0} for name in order})
            writes.ranks = {Address(PLACES, name): {f"y{partition}": 1.0} for name in order}
            assert technology.commit(claim, position or None, position + 1, writes, None) is Outcome.OK

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(4)))
    assert {row["x"] for _, row in technology.dump(storage(PLACES)) if isinstance(row, dict)} == {80.0}


def test_many_processes_that_start_at_once_make_the_tables_once(postgresql_clean: str) -> None:
    made = [Relational(Postgresql(postgresql_clean)) for _ in range(8)]
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda one: one.declare(storage(TREND, generation=1)), made))
    assert found == [storage(TREND, generation=1)] * 8
    for one in made:
        one.close()


def test_a_member_that_is_too_long_for_an_index_is_refused(technology: Relational) -> None:
    claim = technology.claim(unit(), "a")
    chance = "".join(chr(33 + number * number % 9_973) for number in range(5_000))
    with pytest.raises(WriteRefused):
        technology.commit(claim, None, 1, Writes(ranks={Address(PLACES, "k"): {chance: 1.0}}), None)
    assert technology.commit(claim, None, 1, Writes(), None) is Outcome.OK


@pytest.mark.parametrize(
    "address",
    [
        "postgresql://ada:se@cret@127.0.0.1:1/millrace",
        "postgresql://ada:se%zzcret@127.0.0.1:1/millrace",
        "postgresql://ada:secret@127.0.0.1:1/millrace?sslmode=maybe",
        "postgresql://ada:secret@127.0.0.1:1/millrace",
        "postgresql://ada:secret@127.0.0.1:port/millrace",
        "postgresql://ada@127.0.0.1:1/millrace?password=secret&cret=x",
        "postgresql://127.0.0.1:1/millrace?password=secret&sslmode=verify-full&sslrootcert=/nowhere",
    ],
)
def test_no_message_tells_a_password(address: str) -> None:
    with pytest.raises((StorageUnavailable, FormatRefused)) as refused:
        opened(address).storages()
    error: BaseException | None = refused.value
    assert "cret" not in str(error)
    assert "127.0.0.1" in str(error) or isinstance(error, FormatRefused)


def test_a_wrong_password_is_refused_without_telling_it(own_postgresql: OwnPostgresql, tmp_path: Path) -> None:
    with psycopg.connect(own_postgresql.url, autocommit=True) as raw:
        raw.execute("CREATE ROLE ada LOGIN PASSWORD 'right'")
    rules = tmp_path / "postgresql" / "data" / "pg_hba.conf"
    rules.write_text("host all millrace all trust\nhost all ada all scram-sha-256\n", "utf-8")
    with psycopg.connect(own_postgresql.url, autocommit=True) as raw:
        raw.execute("SELECT pg_reload_conf()")
        raw.execute("GRANT CREATE ON SCHEMA public TO ada")
    place = own_postgresql.url.partition("@")[2]
    technology = opened(f"postgresql://ada:right@{place}")
    assert technology.storages() == []
    technology.close()
    with pytest.raises(StorageUnavailable, match="password authentication failed") as refused:
        opened(f"postgresql://ada:hidden@{place}").storages()
    assert "hidden" not in str(refused.value)


def test_an_address_means_what_it_says_whatever_the_environment_says(
    postgresql_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    services = tmp_path / "services.conf"
    services.write_text("[far]\nhost=far.invalid\nhostaddr=240.0.0.1\nport=1\n")
    far = {"PGHOST": "far.invalid", "PGHOSTADDR": "240.0.0.1", "PGPORT": "1", "PGSERVICE": "far"}
    for name, value in {**far, "PGSERVICEFILE": str(services)}.items():
        monkeypatch.setenv(name, value)
    technology = Relational(Postgresql(postgresql_url))
    assert technology.storages() == []
    technology.close()
    nowhere = Relational(Postgresql("postgresql:///nothing_has_this_name"))
    with pytest.raises(StorageUnavailable, match="at its local socket:5432/nothing_has_this_name") as refused:
        nowhere.storages()
    assert "far" not in str(refused.value)
    assert "240.0.0.1" not in str(refused.value)


def test_a_service_is_refused_as_it_may_be_anywhere() -> None:
    with pytest.raises(FormatRefused, match="names a service"):
        Postgresql("postgresql:///db?service=far")

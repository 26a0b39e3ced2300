"""PostgreSQL as readers meet it: broken connections, silence, several loops, TLS, and rights that are only to read."""

from __future__ import annotations

import asyncio
import shutil
import ssl
import subprocess
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest

from storage.address import Address
from storage.errors import StorageUnavailable
from storage.relational import postgresql_lane
from storage.relational.database import Question
from storage.relational.postgresql import Postgresql
from storage.relational.postgresql_reads import PostgresqlSource
from storage.relational.reads import RelationalReads
from storage.relational.relational import Relational
from storage.technology import Newest
from storage.writes import Writes
from tests.contracts.model import COUNTS, PLACES, RECORDS, TREND, storage, unit
from tests.storage.postgresql_stage import OwnPostgresql, secret

ROLES = Path(__file__).parents[2] / "deploy" / "postgresql-roles.sql"


@pytest.fixture
def written(postgresql_clean: str) -> str:
    """Address of a database with a row of each kind."""
    write(postgresql_clean)
    return postgresql_clean


def write(url: str) -> None:
    technology = Relational(Postgresql(url))
    technology.declare(storage(RECORDS))
    claim = technology.claim(unit(), "a")
    writes = Writes(
        puts={Address(RECORDS, "k"): b"x"},
        sums={Address(COUNTS, "k"): {"x": 1}},
        ranks={Address(PLACES, "k"): {"x": 1.0}},
        scores={Address(TREND, "k", 3): {"x": 1.0}},
    )
    technology.commit(claim, None, 1, writes, None)
    technology.close()


@pytest.fixture
async def reads(written: str) -> AsyncIterator[RelationalReads]:
    made = RelationalReads(PostgresqlSource(written, timeout=5))
    yield made
    await made.close()


async def test_what_is_asked_for_in_one_tick_is_one_statement_for_each_table(
    reads: RelationalReads, monkeypatch: pytest.MonkeyPatch
) -> None:
    await reads.rows(storage(RECORDS), ["k"])
    await reads.sums(storage(COUNTS), ["k"])
    rounds: list[list[Question]] = []
    plainly = postgresql_lane.gathered

    def gathered(questions: list[Question]) -> dict[object, Question]:
        found = plainly(questions)
        rounds.append(list(found.values()))
        return found

    monkeypatch.setattr(postgresql_lane, "gathered", gathered)
    asked = [reads.rows(storage(RECORDS), ["k", str(number)]) for number in range(20)]
    counted = [reads.sums(storage(COUNTS), ["k"]) for _ in range(20)]
    assert await asyncio.gather(*asked) == [[b"x", None]] * 20
    assert await asyncio.gather(*counted) == [[{"x": 1}]] * 20
    assert [len(questions) for questions in rounds] in ([2], [1, 1])


async def test_a_connection_that_is_cut_is_opened_again_and_nobody_notices(
    reads: RelationalReads, written: str
) -> None:
    for _ in range(3):
        assert await reads.rows(storage(RECORDS), ["k"]) == [b"x"]
        with psycopg.connect(written, autocommit=True) as raw:
            mine = "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE pid <> pg_backend_pid()"
            raw.execute(mine + " AND application_name = 'millrace'")


async def test_one_who_gives_up_does_not_disturb_the_others(reads: RelationalReads) -> None:
    waiting = [asyncio.ensure_future(reads.rows(storage(RECORDS), ["k"])) for _ in range(20)]
    await asyncio.sleep(0)
    for task in waiting[::2]:
        task.cancel()
    assert await asyncio.gather(*waiting[1::2]) == [[b"x"]] * 10
    assert await reads.rows(storage(RECORDS), ["k"]) == [b"x"]


async def test_a_refused_question_does_not_disturb_those_it_travels_with(reads: RelationalReads, written: str) -> None:
    for name in (RECORDS, COUNTS):
        await reads.count(storage(name))
    with psycopg.connect(written, autocommit=True) as raw:
        [(number,)] = raw.execute("SELECT id FROM millrace_tables WHERE storage = %s", [RECORDS]).fetchall()
        raw.execute(f"DROP TABLE millrace_puts_{number}")
    gone, there = await asyncio.gather(reads.rows(storage(RECORDS), ["k"]), reads.sums(storage(COUNTS), ["k"]))
    assert (gone, there) == ([None], [{"x": 1}])


async def test_a_storage_that_was_erased_and_made_anew_is_read_anew(reads: RelationalReads, written: str) -> None:
    assert await reads.rows(storage(RECORDS), ["k"]) == [b"x"]
    technology = Relational(Postgresql(written))
    technology.erase(storage(RECORDS))
    assert await reads.rows(storage(RECORDS), ["k"]) == [None]
    technology.declare(storage(RECORDS))
    technology.commit(technology.claim(unit(), "b"), None, 1, Writes(puts={Address(RECORDS, "k"): b"new"}), None)
    technology.close()
    assert await reads.rows(storage(RECORDS), ["k"]) == [b"new"]


async def test_several_event_loops_have_connections_of_their_own(reads: RelationalReads) -> None:
    async def elsewhere() -> list[bytes | None]:
        try:
            return await reads.rows(storage(RECORDS), ["k"])
        finally:
            await reads.close()

    with ThreadPoolExecutor(1) as pool:
        for _ in range(3):
            assert await asyncio.wrap_future(pool.submit(asyncio.run, elsewhere())) == [b"x"]
            assert await reads.rows(storage(RECORDS), ["k"]) == [b"x"]


async def test_silence_ends_with_the_time_out_and_then_it_goes_on(own_postgresql: OwnPostgresql) -> None:
    write(own_postgresql.url)
    reads = RelationalReads(PostgresqlSource(own_postgresql.url, timeout=0.5))
    assert await reads.rows(storage(RECORDS), ["k"]) == [b"x"]
    own_postgresql.pause()
    begun = asyncio.get_running_loop().time()
    with pytest.raises(StorageUnavailable, match=r"no answer for 0\.5 s"):
        await reads.rows(storage(RECORDS), ["k"])
    with pytest.raises(StorageUnavailable):
        await reads.rows(storage(RECORDS), ["k"])
    assert asyncio.get_running_loop().time() < begun + 4
    own_postgresql.resume()
    assert await reads.rows(storage(RECORDS), ["k"]) == [b"x"]
    await reads.close()


async def test_a_server_that_is_away_is_unavailable_and_found_again(own_postgresql: OwnPostgresql) -> None:
    write(own_postgresql.url)
    reads = RelationalReads(PostgresqlSource(own_postgresql.url, timeout=0.5))
    assert await reads.rows(storage(RECORDS), ["k"]) == [b"x"]
    own_postgresql.kill()
    for _ in range(2):
        with pytest.raises(StorageUnavailable, match=str(urlsplit(own_postgresql.url).port)):
            await reads.rows(storage(RECORDS), ["k"])
    own_postgresql.start()
    assert await reads.rows(storage(RECORDS), ["k"]) == [b"x"]
    await reads.close()


async def test_after_close_reads_fail_or_begin_anew(written: str) -> None:
    reads = RelationalReads(PostgresqlSource(written, timeout=5))
    under_way = asyncio.ensure_future(reads.rows(storage(RECORDS), ["k"]))
    await asyncio.sleep(0)
    await reads.close()
    with pytest.raises(StorageUnavailable, match="closed"):
        await under_way


@pytest.mark.skipif(shutil.which("openssl") is None, reason="the certificate is made by openssl")
async def test_sslmode_is_tls_and_the_certificate_is_checked(written: str, tmp_path: Path) -> None:
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    command = (
        "openssl req -x509 -newkey rsa:2048 -nodes -days 1 -subj /CN=localhost -addext subjectAltName=DNS:localhost"
    )
    subprocess.run([*command.split(), "-keyout", key, "-out", certificate], check=True, capture_output=True)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, key)
    port = urlsplit(written).port
    assert port is not None
    async with secret(port, context) as secure:
        checked = f"?sslmode=verify-full&sslrootcert={certificate}"
        trusting = RelationalReads(PostgresqlSource(f"postgresql://millrace@localhost:{secure}/millrace{checked}", 4))
        assert await trusting.rows(storage(RECORDS), ["k"]) == [b"x"]
        await trusting.close()
        other = RelationalReads(PostgresqlSource(f"postgresql://millrace@127.0.0.1:{secure}/millrace{checked}", 4))
        with pytest.raises(StorageUnavailable, match="certificate"):
            (await other.listed()).sorted()
        await other.close()
    plain = RelationalReads(PostgresqlSource(f"{written}?sslmode=require", 4))
    with pytest.raises(StorageUnavailable, match="SSL"):
        (await plain.listed()).sorted()
    await plain.close()


async def test_who_may_only_read_can_read_all_and_write_nothing_but_leases(own_postgresql: OwnPostgresql) -> None:
    with psycopg.connect(own_postgresql.url, autocommit=True) as raw:
        raw.execute(ROLES.read_text("utf-8").encode())
    place = own_postgresql.url.partition("@")[2]
    writer, reader = (f"postgresql://{name}:change_me@{place}" for name in ("millrace_writer", "millrace_reader"))
    write(writer)
    reads = RelationalReads(PostgresqlSource(reader, timeout=5))
    assert (await reads.listed()).sorted() == [storage(RECORDS)]
    assert await reads.rows(storage(RECORDS), ["k"]) == [b"x"]
    assert (await reads.top(storage(TREND), [Address(TREND, "k", 3)], 5)) == (Newest(3, None), [[("x", 1.0)]])
    await reads.lease(["relational/records/seen@1"], 5)
    await reads.lease(["relational/records/seen@1"], 7)
    await reads.close()
    reading = Relational(Postgresql(reader))
    assert reading.leases() == {"relational/records/seen@1": 7}
    for forbidden in (
        lambda: reading.claim(unit(), "b"),
        lambda: reading.declare(storage(PLACES)),
        lambda: reading.erase(storage(RECORDS)),
        lambda: reading.fill(storage(RECORDS), Writes(puts={Address(RECORDS, "z"): b"z"})),
    ):
        with pytest.raises(StorageUnavailable, match="permission denied"):
            forbidden()
    reading.close()
    with psycopg.connect(reader, autocommit=True) as raw:
        for number in (1, 2):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                raw.execute(f"DELETE FROM millrace_{'units' if number == 1 else 'puts_1'}")

"""The reader's connection: one write a tick, replies to whom they belong, and a way back from every failure."""

from __future__ import annotations

import asyncio
import random
import shutil
import socket
import ssl
import subprocess
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import redis
import uvloop

from storage.errors import StorageUnavailable
from storage.redis.connection import Connection
from storage.redis.request import ReplyError
from tests.conftest import free_ports
from tests.storage.redis_stage import OwnRedis, Proxy


@pytest.fixture
async def connection(redis_clean: str) -> AsyncIterator[Connection]:
    made = Connection(redis_clean, timeout=10)
    yield made
    await made.close()


@pytest.fixture
async def through(proxy: Proxy) -> AsyncIterator[Connection]:
    """A connection through the proxy, with a short time-out."""
    made = Connection(f"redis://127.0.0.1:{proxy.port}/0", timeout=0.3)
    yield made
    await made.close()


async def test_each_call_gets_its_own_replies_in_order(connection: Connection) -> None:
    first = connection.call(("SET", "k", b"\x00\xff"), ("GET", "k"), ("ECHO", "é"))
    second = connection.call(("GET", "none"), ("ECHO", 5))
    assert await second == [None, b"5"]
    assert await first == [b"OK", b"\x00\xff", "é".encode()]
    assert await connection.call() == []


async def test_all_calls_of_one_tick_travel_in_one_write(proxy: Proxy, through: Connection) -> None:
    await through.call(("PING",))
    proxy.writes.clear()
    await asyncio.gather(*(through.call(("ECHO", str(number)), ("PING",)) for number in range(50)))
    assert len(proxy.writes) == 1
    assert proxy.writes[0].count(b"ECHO") == 50


async def test_an_error_raises_where_it_belongs_and_nowhere_else(connection: Connection) -> None:
    calls = [
        connection.call(("SET", "k", "v")),
        connection.call(("ECHO", "a"), ("LPUSH", "k", "v"), ("ECHO", "b")),
        connection.call(("EVAL", "return {1, {redis.error_reply('deep inside')}}", 0)),
        connection.call(("ECHO", "c")),
    ]
    set_, typed, deep, echo = await asyncio.gather(*calls, return_exceptions=True)
    assert (set_, echo) == ([b"OK"], [b"c"])
    assert isinstance(typed, ReplyError)
    assert str(typed).startswith("WRONGTYPE")
    assert isinstance(deep, ReplyError)
    assert "deep inside" in str(deep)


async def test_a_command_that_cannot_be_written_harms_nobody_else(connection: Connection) -> None:
    before = connection.call(("ECHO", "before"))
    with pytest.raises(UnicodeEncodeError):
        connection.call(("ECHO", "fine"), ("ECHO", "\ud800"))
    assert (await before, await connection.call(("ECHO", "after"))) == ([b"before"], [b"after"])


async def test_whoever_is_cancelled_whenever_the_others_get_their_own_replies(connection: Connection) -> None:
    chance = random.Random(5)
    [number_of_connection] = await connection.call(("CLIENT", "ID"))

    async def ask(name: str) -> None:
        for number in range(40):
            word = f"{name}:{number}"
            call = connection.call(*[("ECHO", f"{word}:{part}") for part in range(chance.randint(1, 4))])
            if chance.random() < 0.4:
                if chance.random() < 0.5:
                    await asyncio.sleep(0)
                call.cancel()
            else:
                assert [reply.decode().rpartition(":")[0] for reply in await call] == [word] * len(await call)

    await asyncio.gather(*(ask(str(number)) for number in range(25)))
    assert await connection.call(("CLIENT", "ID")) == [number_of_connection]


async def test_a_silent_redis_is_unavailable_after_the_time_out_and_then_forgotten(
    proxy: Proxy, through: Connection
) -> None:
    await through.call(("PING",))
    proxy.stalled.clear()
    begun = time.monotonic()
    late = through.call(("ECHO", "late"))
    with pytest.raises(StorageUnavailable, match=r"127\.0\.0\.1.*no answer"):
        await late
    assert 0.25 < time.monotonic() - begun < 5
    proxy.stalled.set()
    assert await through.call(("ECHO", "new")) == [b"new"]


def test_a_loop_that_was_held_up_does_not_take_waiting_replies_for_silence(redis_clean: str) -> None:
    """uvloop runs timers before it reads: after something has blocked it, time is up before the replies are seen."""

    async def hold_up() -> list[bytes]:
        connection = Connection(redis_clean, timeout=0.2)
        await connection.call(("PING",))
        ours, other = socket.socketpair()
        with ours, other:
            loop = asyncio.get_running_loop()

            def block() -> None:
                ours.recv(1)
                time.sleep(0.4)

            loop.add_reader(ours, block)
            call = connection.call(("ECHO", "there"))
            other.send(b"x")
            try:
                return await call
            finally:
                loop.remove_reader(ours)
                await connection.close()

    assert uvloop.run(hold_up()) == [b"there"]


async def test_a_call_whose_connection_breaks_is_sent_again(proxy: Proxy, through: Connection) -> None:
    await through.call(("PING",))
    proxy.stalled.clear()
    calls = [through.call(("ECHO", str(number)), ("ECHO", "x")) for number in range(20)]
    await asyncio.sleep(0.02)
    calls[3].cancel()
    proxy.cut()
    proxy.stalled.set()
    found = await asyncio.gather(*calls, return_exceptions=True)
    del found[3]
    assert found == [[str(number).encode(), b"x"] for number in range(20) if number != 3]


async def test_a_call_younger_than_the_one_whose_time_is_up_is_answered_on_the_next_connection(proxy: Proxy) -> None:
    connection = Connection(f"redis://127.0.0.1:{proxy.port}/0", timeout=1.0)
    await connection.call(("PING",))
    proxy.stalled.clear()
    older = connection.call(("ECHO", "older"))
    await asyncio.sleep(0.5)
    younger = connection.call(("ECHO", "younger"))
    with pytest.raises(StorageUnavailable):
        await older
    proxy.stalled.set()
    assert await younger == [b"younger"]
    await connection.close()


async def test_half_an_answer_that_a_broken_connection_leaves_is_forgotten(proxy: Proxy, through: Connection) -> None:
    await through.call(("PING",))
    proxy.allowance = len(b"$1\r\na\r\n$1")
    calls = [through.call(("ECHO", "a"), ("ECHO", "b")), through.call(("ECHO", "c"))]
    assert await asyncio.gather(*calls) == [[b"a", b"b"], [b"c"]]
    assert proxy.allowance is None


async def test_a_connection_that_redis_ends_is_made_anew(connection: Connection, redis_clean: str) -> None:
    with redis.Redis.from_url(redis_clean) as killer:
        for number in range(5):
            assert await connection.call(("ECHO", number)) == [str(number).encode()]
            killer.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
    assert await connection.call(("ECHO", "after")) == [b"after"]


async def test_reads_work_within_a_second_of_a_killed_redis_answering_again(own_redis: OwnRedis) -> None:
    connection = Connection(own_redis.url)
    await connection.call(("SET", "k", "kept"))
    await asyncio.to_thread(own_redis.kill)
    with pytest.raises(StorageUnavailable):
        await connection.call(("GET", "k"))
    begun = time.monotonic()
    with pytest.raises(StorageUnavailable):
        await connection.call(("GET", "k"))
    assert time.monotonic() - begun < 5, "a Redis that stays away is not waited for"
    await asyncio.to_thread(own_redis.start)
    begun = time.monotonic()
    while True:
        try:
            assert await connection.call(("GET", "k")) == [b"kept"]
            break
        except StorageUnavailable:
            assert time.monotonic() - begun < 1
            await asyncio.sleep(0.01)
    await connection.close()


async def test_a_redis_that_is_not_there_is_named(redis_url: str) -> None:
    port = free_ports(1)[0]
    connection = Connection(f"redis://user:secret@127.0.0.1:{port}/0", timeout=0.2)
    with pytest.raises(StorageUnavailable, match=f"127.0.0.1:{port}") as refused:
        await connection.call(("PING",))
    assert "secret" not in str(refused.value)
    await connection.close()


async def test_far_more_than_a_socket_takes_is_written_and_answered(redis_clean: str) -> None:
    connection = Connection(redis_clean, timeout=30)
    big = "x" * 100_000
    calls = [connection.call(("ECHO", big + str(number))) for number in range(200)]
    found = await asyncio.gather(*calls)
    assert [reply[-3:] for [reply] in found] == [(big + str(number))[-3:].encode() for number in range(200)]
    await connection.close()


async def test_while_redis_reads_slowly_what_is_asked_waits_here_and_not_in_the_socket(proxy: Proxy) -> None:
    connection = Connection(f"redis://127.0.0.1:{proxy.port}/0", timeout=30)
    await connection.call(("PING",))
    proxy.stalled.clear()
    calls = []
    for _ in range(30):
        calls.append(connection.call(("ECHO", "x" * 1_000_000)))
        await asyncio.sleep(0)
    assert connection.waiting > 10
    proxy.stalled.set()
    assert [len(reply) for [reply] in await asyncio.gather(*calls)] == [1_000_000] * 30
    await connection.close()


async def test_user_password_and_database_of_the_url_are_used(redis_clean: str) -> None:
    parts = urlsplit(redis_clean)
    with redis.Redis.from_url(redis_clean) as admin:
        admin.execute_command("ACL", "SETUSER", "reader", "on", ">s3cret/+", "~*", "+@all")
        try:
            connection = Connection(f"redis://reader:s3cret%2F%2B@{parts.netloc}/3")
            assert await connection.call(("ACL", "WHOAMI"), ("SET", "k", "v")) == [b"reader", b"OK"]
            assert admin.get("k") is None
            await connection.close()
            wrong = Connection(f"redis://reader:wrong@{parts.netloc}/3", timeout=0.2)
            with pytest.raises(StorageUnavailable, match="WRONGPASS"):
                await wrong.call(("PING",))
            await wrong.close()
        finally:
            admin.execute_command("ACL", "DELUSER", "reader")


@pytest.mark.skipif(shutil.which("openssl") is None, reason="the certificate is made by openssl")
async def test_rediss_is_tls_and_the_certificate_is_checked(redis_clean: str, tmp_path: Path) -> None:
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    command = (
        "openssl req -x509 -newkey rsa:2048 -nodes -days 1 -subj /CN=localhost -addext subjectAltName=DNS:localhost"
    )
    subprocess.run([*command.split(), "-keyout", key, "-out", certificate], check=True, capture_output=True)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, key)
    proxy = Proxy(urlsplit(redis_clean).port or 0, context)
    await proxy.start()
    trusting = Connection(f"rediss://localhost:{proxy.port}/0?ssl_ca_certs={certificate}")
    assert await trusting.call(("ECHO", "x")) == [b"x"]
    careless = Connection(f"rediss://127.0.0.1:{proxy.port}/0?ssl_cert_reqs=none")
    assert await careless.call(("ECHO", "x")) == [b"x"]
    checking = Connection(f"rediss://localhost:{proxy.port}/0", timeout=2.0)
    with pytest.raises(StorageUnavailable, match="certificate"):
        await checking.call(("ECHO", "x"))
    for connection in (trusting, careless, checking):
        await connection.close()
    await proxy.close()


async def test_after_close_what_is_under_way_and_what_comes_later_fails(proxy: Proxy, through: Connection) -> None:
    await through.call(("PING",))
    proxy.stalled.clear()
    sent = through.call(("PING",))
    await asyncio.sleep(0.01)
    unsent = through.call(("PING",))
    await through.close()
    for call in (sent, unsent, through.call(("PING",))):
        with pytest.raises(StorageUnavailable, match="closed"):
            await call


async def test_it_can_be_closed_at_every_step_of_connecting(redis_clean: str) -> None:
    """Also where an attempt fails, or succeeds, in the very tick in which it is given up."""
    for url in (f"redis://127.0.0.1:{free_ports(1)[0]}", redis_clean, "rediss" + redis_clean.removeprefix("redis")):
        for ticks in range(60):
            connection = Connection(url, timeout=5)
            call = connection.call(("PING",))
            for _ in range(ticks):
                await asyncio.sleep(0)
            await asyncio.wait_for(connection.close(), 60)
            with suppress(StorageUnavailable):
                await call

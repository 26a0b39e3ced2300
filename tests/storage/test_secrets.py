"""Whatever goes wrong with a store, its password is in no error, no cause of one, and no log."""

from __future__ import annotations

import asyncio
import logging
import traceback
from collections.abc import Iterator
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from storage import technologies
from storage.errors import StorageError
from tests.conftest import free_ports
from tests.storage.redis_guarded import GuardedRedis

SENTINEL = "SENTINEL"
SCHEMES = {
    "redis": ["redis", "rediss", "redis+cluster"],
    "relational": ["postgresql"],
    "cassandra": ["cassandra"],
    "search": ["http", "https"],
}
HERE = [(name, scheme) for name in technologies.offered(dict.fromkeys(SCHEMES, "x")) for scheme in SCHEMES[name]]
PASSWORDS = st.tuples(*[st.text("/?#@:[]%&=,; '\"\\aé\n", max_size=5)] * 2).map(SENTINEL.join)


async def failures(name: str, address: str) -> list[BaseException]:
    """What comes of using both sides: before they are connected, and after they are closed."""
    found: list[BaseException] = []
    try:
        technology = technologies.opened(name, address, insecure=True)
    except StorageError as error:
        found.append(error)
    else:
        for step in (technology.storages, technology.close, technology.storages):
            try:
                step()
            except StorageError as error:
                found.append(error)
    try:
        reads = technologies.opened_reads(name, address, insecure=True)
    except StorageError as error:
        return [*found, error]
    for ask in (reads.listed, reads.close, reads.listed):
        try:
            await ask()
        except StorageError as error:
            found.append(error)
    return found


def said(error: BaseException | None) -> Iterator[str]:
    """All that an error shows to whoever prints it, or what caused it."""
    while error is not None:
        yield from (str(error), repr(error), *traceback.format_exception(error))
        error = error.__cause__


def assert_untold(found: list[BaseException], caplog: pytest.LogCaptureFixture) -> None:
    assert found
    assert not [text for error in found for text in said(error) if SENTINEL in text]
    records = [record.getMessage() + str(record.args) + str(record.exc_text) for record in caplog.records]
    assert not [text for text in [*records, caplog.text] if SENTINEL in text]


@pytest.mark.parametrize(("name", "scheme"), HERE)
async def test_the_password_of_a_store_that_is_not_there_is_not_told(
    name: str, scheme: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    address = f"{scheme}://user:{SENTINEL}{quote('/@:#%', safe='')}@127.0.0.1:{free_ports(1)[0]}/rows"
    assert_untold(await failures(name, address), caplog)


@pytest.mark.parametrize(("name", "scheme"), HERE)
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(password=PASSWORDS)
@example(password=f"/{SENTINEL}")
@example(password=f"#{SENTINEL}")
@example(password=f"[{SENTINEL}")
@example(password=f":{SENTINEL}")
@example(password=f"%{SENTINEL}%zz")
def test_a_password_that_makes_an_address_unreadable_is_not_told(
    name: str, scheme: str, password: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    address = f"{scheme}://user:{password}@127.0.0.1:0/rows"
    found: list[BaseException] = []
    try:
        technologies.opened(name, address, insecure=True).close()
    except StorageError as error:
        found.append(error)
    try:
        asyncio.run(_opened_and_closed(name, address))
    except StorageError as error:
        found.append(error)
    if found:
        assert_untold(found, caplog)
    assert SENTINEL not in caplog.text


async def _opened_and_closed(name: str, address: str) -> None:
    await technologies.opened_reads(name, address, insecure=True).close()


@pytest.mark.server
async def test_a_wrong_password_is_not_told(
    tmp_path_factory: pytest.TempPathFactory, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    guarded = GuardedRedis(tmp_path_factory.mktemp("guarded"), free_ports(1)[0])
    try:
        guarded.start()
        assert_untold(await failures("redis", guarded.url("millrace_worker", SENTINEL)), caplog)
        assert_untold(await failures("redis", guarded.url(SENTINEL, SENTINEL)), caplog)
    finally:
        guarded.stop()

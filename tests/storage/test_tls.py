"""Stores that are reached through TLS: it is used, and the server's certificate is checked, on both sides."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from storage import Technology, technologies
from storage.cassandra.cassandra import Cassandra
from storage.errors import StorageUnavailable
from storage.redis.redis import Redis
from storage.relational.postgresql import Postgresql
from storage.relational.relational import Relational
from storage.search.search import Search
from tests.storage.certificates import Authority
from tests.storage.redis_stage import Proxy

PLAIN = {
    "redis": "redis://localhost:{port}/0",
    "relational": "postgresql://localhost:{port}/{path}?user=millrace&sslmode=disable",
    "cassandra": "cassandra://localhost:{port}/{path}",
    "search": "http://localhost:{port}",
}
ENCRYPTED = {
    "redis": "rediss://localhost:{port}/0?ssl_ca_certs={file}",
    "relational": "postgresql://localhost:{port}/{path}?user=millrace&sslmode=verify-full&sslrootcert={file}",
    "cassandra": "cassandra://localhost:{port}/{path}?ssl_ca_certs={file}",
    "search": "https://localhost:{port}?ssl_ca_certs={file}",
}
WRITING: dict[str, Callable[[str], Technology]] = {
    "redis": lambda address: Redis(address, timeout=1.0),
    "relational": lambda address: Relational(Postgresql(address)),
    "cassandra": lambda address: Cassandra(address, timeout=1.0),
    "search": Search,
}
ADDRESSES = {"cassandra": "cassandra://localhost:{port}/{path}", "search": "https://localhost:{port}"}
"""Redis and PostgreSQL have tests of their own: test_redis_guarded.py, test_postgresql_guarded.py."""

pytestmark = pytest.mark.server


@pytest.mark.parametrize("trusted", [True, False])
@pytest.mark.parametrize("name", technologies.offered(dict.fromkeys(ADDRESSES, "x")))
async def test_a_store_behind_tls_is_used_where_its_certificate_is_trusted_and_nowhere_else(
    request: pytest.FixtureRequest, tmp_path: Path, name: str, trusted: bool
) -> None:
    server = urlsplit(request.getfixturevalue(f"{name}_url"))
    authority = Authority(tmp_path, "authority")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(*authority.signed("server", "DNS:localhost,IP:127.0.0.1"))
    before = Proxy(server.port or 0, context)
    await before.start()
    file = authority.file if trusted else Authority(tmp_path, "other").file
    address = ADDRESSES[name].format(port=before.port, path=server.path.strip("/")) + f"?ssl_ca_certs={file}"
    technology, reads = technologies.opened(name, address), technologies.opened_reads(name, address)
    if trusted:
        assert await asyncio.to_thread(technology.storages) == (await reads.listed()).sorted()
        assert before.writes
    else:
        with pytest.raises(StorageUnavailable):
            await asyncio.to_thread(technology.storages)
        with pytest.raises(StorageUnavailable):
            (await reads.listed()).sorted()
        assert not before.writes
    await reads.close()
    await asyncio.to_thread(technology.close)
    await before.close()


@pytest.mark.parametrize("name", PLAIN)
async def test_tls_on_one_side_only_is_named_as_what_may_be_wrong(
    request: pytest.FixtureRequest, tmp_path: Path, name: str
) -> None:
    server = urlsplit(request.getfixturevalue("postgresql_url" if name == "relational" else f"{name}_url"))
    authority = Authority(tmp_path, "authority")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(*authority.signed("server", "DNS:localhost,IP:127.0.0.1"))
    before = Proxy(server.port or 0, context)
    await before.start()
    parts = {"path": server.path.strip("/"), "file": authority.file}
    encrypted = ENCRYPTED[name].format(port=server.port, **parts)
    plain = PLAIN[name].format(port=before.port, **parts)
    for address, doubt in ((encrypted, "speaks no TLS at this port"), (plain, "wants TLS at this port")):
        reads, technology = technologies.opened_reads(name, address), WRITING[name](address)
        for asked in (reads.listed(), asyncio.to_thread(technology.storages)):
            with pytest.raises(StorageUnavailable, match=rf"\({name}_url\).* perhaps it {doubt}, which .* asks for"):
                await asked
        await reads.close()
        await asyncio.to_thread(technology.close)
    await before.close()

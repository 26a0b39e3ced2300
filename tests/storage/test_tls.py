"""Stores that are reached through TLS: it is used, and the server's certificate is checked, on both sides."""

from __future__ import annotations

import asyncio
import ssl
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from storage import technologies
from storage.errors import StorageUnavailable
from tests.storage.certificates import Authority
from tests.storage.redis_stage import Proxy

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

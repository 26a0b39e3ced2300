"""A bad network before a real Redis, and a PostgreSQL that may be killed."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.conftest import free_ports
from tests.storage.postgresql_stage import OwnPostgresql
from tests.storage.redis_stage import Proxy


@pytest.fixture
async def proxy(redis_clean: str) -> AsyncIterator[Proxy]:
    """Between a client and `redis_clean`."""
    made = Proxy(urlsplit(redis_clean).port or 0)
    await made.start()
    yield made
    await made.close()


@pytest.fixture
def own_postgresql(postgresql_url: str, tmp_path: Path) -> Iterator[OwnPostgresql]:
    """A real PostgreSQL that only this test knows, to be killed and started again."""
    made = OwnPostgresql(tmp_path / "postgresql", free_ports(1)[0])
    made.start()
    yield made
    made.kill()

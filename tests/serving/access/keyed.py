"""A shop whose service asks for keys: one of each kind, and a clock that the test sets."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx

from serving import Service
from serving.access import Access, KeyFile
from serving.access.keys import Key, Scope, minted, rotated
from tests.serving.shop import Recommendations, Shop, popular

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
HTML = {"accept": "text/html"}


class Keyed:
    """`keys` are written to a file in `folder`; `secrets` has the newest secret of each."""

    def __init__(self, folder: Path, **names: str) -> None:
        self.now = NOON
        self.file = KeyFile(folder / "keys.json")
        self.secrets: dict[str, str] = {}
        for name, scopes in names.items():
            self.make(name, scopes)
        self.shop = Shop(popular(default=Recommendations([])))
        self.access = Access(self.file, clock=lambda: self.now.timestamp())
        self.service = self.shop.service(access=self.access)

    def make(self, name: str, scopes: str, **options: Any) -> Key:
        """One more key in the file."""
        with self.file.edited() as keys:
            key, self.secrets[name] = minted(name, [Scope(one) for one in scopes.split()], self.now, **options)
            keys.append(key)
        return key

    def rotate(self, name: str, overlap: timedelta) -> None:
        with self.file.edited() as keys:
            [place] = [place for place, key in enumerate(keys) if key.name == name]
            keys[place], self.secrets[name] = rotated(keys[place], self.now, overlap)

    def revoke(self, name: str) -> None:
        with self.file.edited() as keys:
            keys[:] = [key for key in keys if key.name != name]

    def bearer(self, name: str) -> dict[str, str]:
        return {"authorization": f"Bearer {self.secrets[name]}"}

    @asynccontextmanager
    async def running(self, service: Service | None = None) -> AsyncIterator[httpx.AsyncClient]:
        async with self.shop.running(service or self.service) as client:
            yield client


async def logged_in(keyed: Keyed, client: httpx.AsyncClient, name: str = "console") -> httpx.Response:
    """The answer to a log-in; the client has the cookie then."""
    return await client.post("/console/login", data={"key": keyed.secrets[name], "to": "/console/storages"})

"""What a service does about what is deployed: takes each version up, or keeps what it serves and says why."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from millrace.deployments import packages
from millrace.deployments.archive import SHOWN
from millrace.deployments.loading import OnDisk, loaded
from millrace.deployments.record import Record
from millrace.deployments.report import Report
from millrace.deployments.store import Records, Store
from millrace.product import Product
from serving.products import Products, Served
from serving.threads import Threads

LOGGER = logging.getLogger("millrace.deployments")
FIRST_RETRY, LAST_RETRY = 2.0, 60.0
"""Seconds after which a product that could not be taken up is tried again; twice as long each time."""
Check = Callable[[OnDisk], Report]
"""What a product declares; blocks, and raises DeploymentRefused where it cannot be taken."""


@dataclass
class Standing:
    """How far this service is with one product: the version that it has tried to take up, and why that failed."""

    hash: str = ""
    place: OnDisk | None = None
    problem: str = ""
    tries: int = 0
    again: float = 0.0
    task: asyncio.Task[None] | None = None


class Uptake:
    """For one event loop; what blocks runs in threads.

    Args:
        served: what the service serves of a product.
    """

    def __init__(self, store: Store, products: Products, served: Callable[[Product], Served], check: Check) -> None:
        self._store, self._products, self._served, self._check = store, products, served, check
        self._threads, self._importing = Threads(8), asyncio.Lock()
        self._standing: dict[str, Standing] = {}
        self._records: Records = {}

    def follow(self, records: Records) -> None:
        """Begin with what is to be taken up, and let go of what is not deployed any more. Does not wait."""
        self._records = records
        for name in [name for name in self._standing if not self._wanted(name)]:
            self._let_go(name)
        for name in records:
            hash = self._wanted(name)
            if hash:
                standing = self._standing.setdefault(name, Standing())
                done = standing.hash == hash and (not standing.problem or time.monotonic() < standing.again)
                if not done and (standing.task is None or standing.task.done()):
                    standing.task = asyncio.create_task(self._take_up(name, hash, standing))

    async def first(self, patience: float) -> None:
        """Wait for what has been begun, for so many seconds at most."""
        begun = [item.task for item in self._standing.values() if item.task is not None]
        if begun:
            await asyncio.wait(begun, timeout=patience)

    async def settle(self, name: str) -> None:
        """Wait until this service has tried to take up what is wanted of a product now."""
        self.follow(self._records)
        while name in self._standing and (task := self._standing[name].task) is not None and not task.done():
            await asyncio.wait([task])
            self.follow(self._records)

    def state(self, record: Record) -> tuple[str, str]:
        """How this service stands to a product: `live`, `waiting`, `failed`, `loading`, `undeployed`, or `refused`
        where it never was deployed; and why."""
        standing, endpoints = self._standing.get(record.name, Standing()), self._products.endpoints
        if not record.hash:
            return "undeployed" if record.last is not None else "refused", ""
        if standing.hash != record.hash:
            return "loading", ""
        if endpoints.waits(record.name):
            return "waiting", " ".join(endpoints.problems_of(record.name))
        return ("failed", standing.problem) if standing.problem else ("live", "")

    def others(self, name: str) -> list[tuple[str, Path]]:
        """Other products with packages of their own, which are in this process."""
        found = [(other, item.place) for other, item in self._standing.items() if other != name]
        return [(other, place.packages) for other, place in found if place is not None and place.packages is not None]

    def _wanted(self, name: str) -> str:
        return self._records[name].hash if name in self._records else ""

    async def _take_up(self, name: str, hash: str, standing: Standing) -> None:
        """Serve this version, or keep what is served and say why."""
        tries = standing.tries + 1 if standing.hash == hash else 1
        try:
            problem = await self._taken_up(name, hash, standing)
        except Exception as error:  # ends this try, never the next one
            problem = str(error) or type(error).__name__
            self._products.endpoints.refuse([problem], name)
        if problem and problem != standing.problem:
            LOGGER.error("%s %s is not served here, what answered before does: %s", name, hash[:SHOWN], problem)
        standing.hash, standing.problem, standing.tries = hash, problem, tries
        standing.again = time.monotonic() + min(LAST_RETRY, FIRST_RETRY * 2 ** (tries - 1))

    async def _taken_up(self, name: str, hash: str, standing: Standing) -> str:
        """Why it is not served; empty if it is, or is to be when a storage appears."""
        shelf = self._store.shelf
        place = await self._threads.run(partial(self._store.place, name, hash, self.others(name)))
        if not shelf.is_checked(name, hash):
            await self._threads.run(partial(self._check, place))
            await self._threads.run(partial(shelf.checked, name, hash))
        async with self._importing:
            if self._wanted(name) != hash:  # meanwhile it is another one, or none
                return ""
            before, standing.place = standing.place, place
            self._leave(before)
            try:
                problems = self._products.take(name, await self._threads.run(partial(self._loaded, place)))
            except Exception:
                self._stay(standing, before)
                raise
            if problems and not self._products.endpoints.waits(name):
                self._stay(standing, before)
                return " ".join(problems)
        LOGGER.info("%s %s is served.", name, hash[:SHOWN])
        return ""

    def _loaded(self, place: OnDisk) -> Served:
        """Load, and read code and hashes while the files are those that were loaded. Blocks."""
        served = self._served(loaded(place))
        for kind in served.types:
            for implementation in kind.implementations.values():
                _ = implementation.hash, implementation.code
        return served

    def _let_go(self, name: str) -> None:
        standing = self._standing.pop(name)
        self._products.drop(name)
        self._leave(standing.place)

    def _stay(self, standing: Standing, before: OnDisk | None) -> None:
        """What was served before needs its packages."""
        tried, standing.place = standing.place, before
        self._leave(tried)
        if before is not None and before.packages is not None:
            packages.use(before.packages)

    def _leave(self, place: OnDisk | None) -> None:
        """Packages that no product uses any more are not found any more."""
        if place is not None and place.packages is not None:
            users = [item.place for item in self._standing.values()]
            if all(user is None or user.packages != place.packages for user in users):
                packages.leave(place.packages)

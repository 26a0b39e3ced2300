"""A service that takes products: checks what is sent, lets everybody know, and serves what is deployed."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from starlette.routing import BaseRoute

from millrace.deployments import openapi
from millrace.deployments.archive import SHOWN, Archive
from millrace.deployments.checking import checked
from millrace.deployments.errors import DeploymentConflict, DeploymentRefused, DeploymentsUnavailable
from millrace.deployments.names import Names, clashes
from millrace.deployments.packages import LOCK
from millrace.deployments.record import Record, Who
from millrace.deployments.report import Report
from millrace.deployments.routes import DeploymentsRoutes
from millrace.deployments.store import Records, Store
from millrace.deployments.uptake import Check, Uptake
from millrace.product import Product
from serving.experiments.drafting import Drafting
from serving.measurements import DeployedFacts
from serving.products import Products, Served
from serving.threads import Threads

LOGGER = logging.getLogger("millrace.deployments")
LOOK = 0.25
"""Seconds between two looks at the topic: all services have a change within about that time."""
AGAIN = 1.0
"""Seconds between two looks while the topic is away."""
FIRST = 10.0
"""Seconds that the start waits for them; what takes longer is served as soon as it can be."""
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,63}", re.ASCII)


@dataclass(frozen=True)
class Own:
    """The product that the service was started with: nobody can deploy it, or what it declares."""

    name: str = ""
    names: Names = field(default_factory=Names)


class Receiver:
    """`serving.products.Deployments`. For one event loop; what blocks runs in threads.

    Args:
        served: what the service serves of a product.
        prepare: registers a product's event types and creates their topics; blocks.
        storages: which there are now, as "ranking/popular".
        check: what a product declares; blocks, and raises DeploymentRefused where it cannot be taken.
        gone: told of a product that is undeployed; blocks.
    """

    def __init__(
        self,
        store: Store,
        served: Callable[[Product], Served],
        prepare: Callable[[Report], None],
        storages: Callable[[], Sequence[str]],
        own: Own | None = None,
        check: Check = checked,
        gone: Callable[[str], None] = lambda name: None,
    ) -> None:
        self.own = own or Own()
        self._check, self._gone = check, gone
        self._store, self._served, self._prepare, self._storages = store, served, prepare, storages
        self._threads, self._asking = Threads(4), asyncio.Lock()
        self.records: Records = {}
        self.away = ""
        self.under_way: dict[str, str] | None = None
        self._undrafted: dict[str, list[str]] = {}  # by the version's hash

    def routes(self) -> Sequence[BaseRoute]:
        """Where products are taken."""
        return DeploymentsRoutes(self).routes()

    async def begin(self, products: Products, changed: Callable[[], Awaitable[None]], drafting: Drafting) -> None:
        """Serve what was deployed before, as far as it is on this disk."""
        self._products, self._changed, self._drafting = products, changed, drafting
        self._uptake = Uptake(self._store, products, self._served, self._check)
        self.records = await self._threads.run(self._store.begin)
        self._uptake.follow(self.records)
        await self._uptake.first(FIRST)

    async def run(self) -> None:
        """Follow what is deployed until cancelled."""
        while True:
            try:
                await self._told(self._store.records)
                self.away = ""
            except Exception as error:  # whatever it is, it must not end what all later changes depend on
                if not self.away:
                    LOGGER.warning("What is served stays as it is: %s", error)
                self.away = str(error) or type(error).__name__
            self._uptake.follow(self.records)
            await asyncio.sleep(AGAIN if self.away else LOOK)

    async def deploy(self, name: str, packed: bytes, who: Who) -> Record:
        """Check a product, and let everybody serve and learn it; returns when this service has tried to. Experiments
        that it declares are drafts then.

        Raises:
            DeploymentRefused: it is not taken; nothing was changed but the product's history.
            DeploymentsUnavailable: nothing was changed, or that is not known.
        """
        return await self._deployed(name, who, partial(Archive.of_bytes, packed))

    async def deploy_again(self, name: str, prefix: str, who: Who) -> Record:
        """The same with a version that was deployed before, by the beginning of its hash."""
        await self._told(self._store.records)
        hash = self._known(name).version(prefix)

        def archive() -> Archive:
            self._store.fetch(name, hash)
            return Archive.of_folder(self._store.shelf.folder(name, hash))[0]

        return await self._deployed(name, who, archive)

    async def undeploy(self, name: str, who: Who) -> Record:
        """Let nobody serve and learn a product any more; returns when this service does not. Storages stay.

        Raises:
            DeploymentConflict: it is not deployed, or an experiment runs on what it answers.
            DeploymentsUnavailable: nothing was changed, or that is not known.
        """

        async def withdraw() -> None:
            titles = self._known(name).names.endpoints
            running = self._products.endpoints.fit.running
            experiments = [f"{item.name} on {title}" for title in titles for item in running.get(title, ())]
            if experiments:
                raise DeploymentConflict(f"{name} is in an experiment: {', '.join(experiments)}. End that first.")
            await self._told(partial(self._store.withdraw, name, who))

        record = await self._alone(name, "withdrawing", withdraw)
        await self._threads.run(partial(self._gone, name))
        LOGGER.info("%s was undeployed by %s.", name, who.by)
        return record

    def state(self, record: Record) -> tuple[str, str]:
        """How this service stands to a product, and why; see `Uptake.state`."""
        return self._uptake.state(record)

    def paths(self, refused: dict[str, Any]) -> dict[str, Any]:
        """The same in OpenAPI's terms."""
        return openapi.paths(refused)

    def facts(self) -> Sequence[DeployedFacts]:
        """How this service stands to every product, for the console."""
        return [
            DeployedFacts(record.name, *self.state(record), record.hash[:SHOWN], last.at, last.by)
            for record in self.records.values()
            if (last := record.last) is not None
        ]

    def left(self, record: Record) -> list[str]:
        """What of a product has no effect, a sentence each."""
        return [*record.left, *self._undrafted.get(record.hash, ())]

    def missing(self, record: Record) -> list[str]:
        """Storages that a product declares and nobody has made yet."""
        there = set(self._storages())
        return [name for name in record.names.storages if name not in there]

    def unable(self, record: Record) -> list[str]:
        """Implementations of a product that cannot answer here, and why."""
        return self._products.endpoints.unable(record.name)

    async def _deployed(self, name: str, who: Who, archived: Callable[[], Archive]) -> Record:
        record = await self._alone(name, "unpacking", partial(self._deploy, name, who, archived))
        self._undrafted[record.hash] = await self._drafting.prepare(self._products.experiments(name), who.by)
        return record

    async def _alone(self, name: str, step: str, change: Callable[[], Awaitable[None]]) -> Record:
        """One change at a time, and then what it means for this service."""
        if self.under_way is not None:
            raise DeploymentConflict(f"{self.under_way['name']} is being deployed; try again when that is done.")
        self.under_way = {"name": name, "step": step}
        try:
            await self._told(self._store.records)
            await change()
            self._step("loading")
            self._uptake.follow(self.records)
            await self._uptake.settle(name)
            await self._changed()
            return self.records[name]
        finally:
            self.under_way = None

    async def _deploy(self, name: str, who: Who, archived: Callable[[], Archive]) -> None:
        hash = ""
        try:
            self._must_be_free(name)
            archive = await self._threads.run(archived)
            hash = archive.hash
            report = await self._examined(name, archive)
            self._step("registering")
            await self._threads.run(partial(self._prepare, report))
            self._step("announcing")
            counts = report.names.counts and not self.own.names.counts
            await self._told(partial(self._store.publish, name, archive, report, who, counts))
        except DeploymentRefused as error:
            LOGGER.warning("%s %s, sent by %s, is not taken: %s", name, hash[:SHOWN], who.by, error)
            if hash and hash not in self.records.get(name, Record(name)).parts:
                await self._threads.run(partial(self._store.shelf.drop, name, hash))
            if _NAME.fullmatch(name):
                await self._told(partial(self._store.refused, name, hash, str(error), who))
            raise
        except OSError as error:
            raise DeploymentsUnavailable(f"The service cannot keep {name} on its disk: {error}.") from error
        LOGGER.info("%s %s was deployed by %s.", name, hash[:SHOWN], who.by)

    async def _examined(self, name: str, archive: Archive) -> Report:
        """Everything that may refuse it and changes nothing."""
        shelf = self._store.shelf
        await self._threads.run(partial(shelf.put, name, archive))
        if LOCK in archive.files:
            self._step("installing")
        place = await self._threads.run(partial(shelf.place, name, archive.hash, self._uptake.others(name)))
        self._step("checking")
        report = await self._threads.run(partial(self._check, place))
        others = {other: item.names for other, item in self.records.items() if other != name}
        found = clashes(report.names, {self.own.name or "the service": self.own.names, **others})
        if found:
            raise DeploymentConflict(*found)
        found = self._products.endpoints.objections(report.declared, name)
        if found:
            raise DeploymentConflict(*found)
        await self._threads.run(partial(shelf.checked, name, archive.hash))
        return report

    def _must_be_free(self, name: str) -> None:
        if not _NAME.fullmatch(name):
            raise DeploymentRefused(f"{name[:100]!r} cannot be a product's name; use at most 64 letters, digits and _.")
        if name == self.own.name:
            raise DeploymentConflict(f"This service was started with {name}: save its files, or rename yours.")

    def _known(self, name: str) -> Record:
        if name not in self.records:
            known = ", ".join(self.records) or "none"
            raise DeploymentConflict(f"Nothing was deployed as {name[:100]!r}; this service knows: {known}.")
        return self.records[name]

    def _step(self, step: str) -> None:
        if self.under_way is not None:
            self.under_way["step"] = step

    async def _told(self, ask: Callable[[], Records]) -> None:
        """What is deployed, as it is told now; never what was told earlier."""
        async with self._asking:
            self.records = await self._threads.run(ask)

"""Puts the models service together: a data product's endpoint types over a platform, served by uvicorn."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path

import uvicorn

from millrace.collector import retention_of
from millrace.platform import Platform, all_event_types
from millrace.product import Product
from millrace.settings import Settings
from schemas.errors import IncompatibleSchema, MillraceError
from serving import Events, HotLoader, Service, Watched, WrongLine
from storage import Catalogue
from streams import DeadLetters, Rejected

LOGGER = logging.getLogger("millrace.service")
FINISH = 2
"""Seconds that requests under way have to finish, once the service is told to stop."""
END = 4.5
"""Seconds after which a service that was told to stop ends, whatever it still waits for."""
AGAIN = 2.0
"""Seconds between two tries to register event types and create topics while Kafka or the registry are away."""
CHECK = (sys.executable, "-m", "millrace.golden")


def run_service(folder: Path, settings: Settings) -> None:
    """Answer the endpoint types of the product in `folder` until SIGTERM or SIGINT. Blocks.

    It answers from the storages alone: Kafka and the registry may be away. Changed files are taken up while it runs,
    but for event types, experiments, goals and the list of pages, which are read once.

    Raises:
        ProductError, EndpointRefused, ExperimentRefused: the product cannot be served as it stands.
    """
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    logging.getLogger("millrace").setLevel(logging.INFO)
    product = Product.load(folder)
    platform = Platform(settings)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)  # uvicorn's own handlers stop it, and then raise the signal once more
    try:
        with asyncio.Runner(loop_factory=_loop) as runner:
            runner.run(_serve(product, platform, settings))
    finally:
        platform.close()


async def _serve(product: Product, platform: Platform, settings: Settings) -> None:
    async with platform.catalogue() as catalogue:
        service = service_of(product, platform, catalogue)
        threading.Thread(target=_prepare, args=(product, platform), name="millrace-prepare", daemon=True).start()
        config = uvicorn.Config(
            service.app(),
            host=settings.service_host,
            port=settings.service_port,
            http="httptools",
            ws="none",
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_keep_alive=30,
            timeout_graceful_shutdown=FINISH,
        )
        await _Server(config, service).serve()


def service_of(product: Product, platform: Platform, catalogue: Catalogue) -> Service:
    """The service of a product. Opens no connection before it runs."""
    folder = product.folder
    return Service(
        product.endpoints,
        catalogue,
        decisions=platform.producer,
        experiments=product.experiments,
        goals=product.goals,
        events=Events(product.event_types, platform.producer, _Letters(platform.dead_letters)),
        watched=Watched(
            topics=platform.topics,
            names=list(all_event_types(product)),
            probes={"Registry": platform.registry.subjects},
            pages=product.pages,
        ),
        hot=HotLoader(folder, CHECK, lambda: Product.load(folder).endpoints),
        technologies=platform.technologies,
        retention=retention_of(platform.settings),
    )


class _Server(uvicorn.Server):
    """Ends the console's streams before it waits for connections, and the process after `END` in any case."""

    def __init__(self, config: uvicorn.Config, service: Service) -> None:
        super().__init__(config)
        self._service = service

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        timer = threading.Timer(END, _end)
        timer.daemon = True
        timer.start()
        self._service.stopping()
        await super().shutdown(sockets)


class _Letters:
    """The intake's dead letters in Kafka. They never had a position, so theirs is -1."""

    def __init__(self, dead_letters: DeadLetters) -> None:
        self._dead_letters = dead_letters

    def keep(self, topic: str, lines: Sequence[WrongLine]) -> None:
        """Keep them; blocks until Kafka has them."""
        now = time.time_ns() // 1_000_000
        self._dead_letters.send(
            [Rejected(topic, -1, -1, now, None, line.value, line.error, line.reason) for line in lines]
        )


def _prepare(product: Product, platform: Platform) -> None:
    """Register event types and create topics, as soon as Kafka and the registry let it. Blocks."""
    said = False
    while True:
        try:
            platform.prepare(product)
        except IncompatibleSchema as error:
            LOGGER.error("Events of this type are refused until it is put right: %s", error)
        except MillraceError as error:
            if not said:
                LOGGER.warning("Event types are not registered yet: %s", error)
            said = True
            time.sleep(AGAIN)
            continue
        return


def _end() -> None:
    LOGGER.error("The service did not end within %.1f s of being told to; it ends now.", END)
    os._exit(1)


def _loop() -> asyncio.AbstractEventLoop:
    if sys.platform == "win32":
        return asyncio.new_event_loop()
    import uvloop

    return uvloop.new_event_loop()

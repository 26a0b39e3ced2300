"""Puts the models service together: a data product's endpoint types over a platform, served by uvicorn."""

from __future__ import annotations

import _thread
import asyncio
import logging
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import FrameType

import uvicorn

from millrace.backtest.results import Results
from millrace.backtest.trials import results_of
from millrace.collector import retention_of
from millrace.connection import Connection, look_at, make_room
from millrace.deployments.taking import must_ask_for_keys, must_take_deployments, receiver_of
from millrace.garbage import settle
from millrace.jobs.child import JobsChild
from millrace.jobs.product_jobs import declares_jobs
from millrace.logs import say_on_stderr
from millrace.platform import Platform, all_event_types, all_learners, placed
from millrace.product import Product
from millrace.settings import Settings
from schemas.errors import IncompatibleSchema, MillraceError
from serving import Events, HotLoader, Service, Shared, Spool, Watched, WrongLine
from serving.access import Access, AuditLog, KeyFile, is_here, must_be_guarded
from serving.binding import Types
from serving.errors import KeysBroken
from serving.refused import Refused
from serving.registered import Registered
from serving.telling import Telling
from storage import Catalogue
from streams import DeadLetters, DeliveryFailed, Rejected

LOGGER = logging.getLogger("millrace.service")
FINISH = 2
"""Seconds that requests under way have to finish, once the service is told to stop."""
END = 4.5
"""Seconds after which a service that was told to stop ends, whatever it still waits for."""
LAST = 1.0
"""Seconds for the rest, once requests and decisions are safe."""
FLUSH = 0.5
"""Seconds that the end waits for events other than decisions to be acknowledged."""
AGAIN = 2.0
"""Seconds between two tries to register event types and create topics while Kafka or the registry are away."""
NOTHING = Product("", Path(), {}, (), ())
"""What a service is started with that answers only what is deployed."""
CHECK = (sys.executable, "-m", "millrace.golden")


def run_service(folder: Path | None, settings: Settings) -> None:
    """Answer the endpoint types of the product in `folder`, and where the settings allow it those of products that are
    deployed, until SIGTERM or SIGINT. Blocks.

    It answers from the storages alone: Kafka and the registry may be away. Changed files are taken up while it runs,
    but for event types, the experiments of product.toml, goals and the list of pages, which are read once. What is done
    to experiments meanwhile it hears from the topic `experiments`.

    Raises:
        ProductError, EndpointRefused, ExperimentRefused: the product cannot be served as it stands.
        LearnerRefused: a goal of it cannot be counted.
        InsecureService, KeysBroken: strangers could change everything, or the keys cannot be used.
        SettingsError: there is no folder, and deployments are off; or they are on where others may reach them.
    """
    if folder is None:
        must_take_deployments(settings)
    say_on_stderr()
    product = NOTHING if folder is None else Product.load(folder)
    all_learners(product)  # a goal that nothing can count is refused here too
    access = access_of(settings)
    must_ask_for_keys(settings, access.keyed)
    make_room()
    platform = Platform(settings)
    told = _Told()
    try:
        with asyncio.Runner(loop_factory=_loop) as runner:
            runner.run(_serve(product, platform, access, told))
    finally:
        try:
            platform.close(FLUSH)
        except DeliveryFailed as error:  # decisions are in the spool; who sent other events was not told that they are
            LOGGER.warning("Ended before Kafka had everything: %s", error)


def access_of(settings: Settings) -> Access:
    """Who may ask what.

    Raises:
        InsecureService: strangers could change everything.
        KeysBroken: the keys cannot be used, or the file that is named is not there.
    """
    named = settings.keys_file != Settings().keys_file
    if named and not settings.keys_file.exists():
        raise KeysBroken(
            f"There is no file of keys {settings.keys_file}, which keys_file names; make the first key: millrace keys "
            "create console --scope admin, or leave the setting out."
        )
    local = is_here(settings.service_host) and not settings.allow_insecure_service
    access = Access(KeyFile(settings.keys_file), local=local)
    must_be_guarded(settings.service_host, access.keyed, settings.allow_insecure_service)
    if not access.keyed:
        LOGGER.info("Nobody is asked for a key: there is no file %s.", settings.keys_file)
    return access


async def _serve(product: Product, platform: Platform, access: Access, told: _Told) -> None:
    settings = platform.settings
    async with platform.catalogue(product) as catalogue:
        service = service_of(product, platform, catalogue, access)
        threading.Thread(target=_prepare, args=(product, platform), name="millrace-prepare", daemon=True).start()
        config = uvicorn.Config(
            service.app(),
            host=settings.service_host,
            port=settings.service_port,
            http=Connection,
            ws="none",
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_keep_alive=30,
            timeout_graceful_shutdown=FINISH,
        )
        settle()
        await _Server(config, service, settings.service_url, settings.leaving_ms / 1000, told).serve()


def service_of(product: Product, platform: Platform, catalogue: Catalogue, access: Access | None = None) -> Service:
    """The service of a product. Opens no connection before it runs."""
    folder, settings, learned = product.folder, platform.settings, product.learned

    def saved() -> Types:
        found = Product.load(folder)
        learned.update(found.learned)
        return found.endpoints

    return Service(
        product.endpoints,
        catalogue,
        decisions=platform.decisions_producer,
        experiments=product.experiments,
        goals=product.goals,
        shared=Shared(platform.experiments, settings.state_dir / "experiments.snapshot"),
        events=_events(product, platform),
        watched=Watched(
            topics=platform.topics,
            names=list(all_event_types(product)),
            probes={"Registry": platform.registry.subjects},
            pages=product.pages,
            lifts=settings.state_dir / "lifts.json",
            refused=Refused(platform.letters, platform.stops.standing, platform.go_on),
            registered=Registered(platform.registry, platform.readers.documents, settings.kafka, settings.registry_url),
            told=Telling(platform.readers, product.name or "deployed"),
            looking=platform.looking,
            backtests=Results(results_of(settings)),
            jobs=JobsChild(folder, settings) if product is not NOTHING and declares_jobs(folder) else None,
        ),
        hot=None if product is NOTHING else HotLoader(folder, CHECK, saved),
        technologies=platform.technologies,
        spool=_spool(settings),
        retention=retention_of(settings),
        remembered=settings.last_good_mb * 1_000_000,
        access=access,
        audit=AuditLog(platform.producer),
        deployments=receiver_of(platform, catalogue, product) if settings.deployments else None,
        placed=placed(product, settings),
        learned=learned,
    )


def _events(product: Product, platform: Platform) -> Events:
    settings, letters = platform.settings, _Letters(platform.dead_letters("millrace-intake"))
    if not settings.intake_spool_mb:
        return Events(product.event_types, platform.producer, letters)
    folder = settings.intake_spool_dir if settings.intake_spool_dir != Path() else settings.state_dir / "intake"
    spool = Spool(folder, settings.intake_spool_mb * 1_000_000, durable=True, holds="bodies of events")
    return Events(product.event_types, platform.patient_producer, letters, spool)


def _spool(settings: Settings) -> Spool | None:
    return Spool(settings.state_dir / "spool", settings.spool_mb * 1_000_000) if settings.spool_mb else None


class _Told:
    """Whether a signal came while uvicorn did not hear it: before it listens to them, or when it raises once more what
    stopped it. The process ends within `END` then, whatever holds it up.

    Attributes:
        stop: one came.
    """

    def __init__(self) -> None:
        self.stop = False
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: self.now())

    def now(self) -> None:
        """Called by a signal, in the midst of whatever the main thread does: so it waits for no lock."""
        if not self.stop:
            self.stop = True
            _thread.start_new_thread(_end_later, ())


class _Server(uvicorn.Server):
    """Told to stop by SIGTERM, it first says so for a while: it is not ready any more, and closes each connection with
    the answer it gives, so that load balancers and clients go elsewhere. Then it listens no more, ends the console's
    streams, waits for the requests under way, and ends the process after `END` in any case. Told while it starts, it
    ends without that while: nobody was sent to it yet.

    Args:
        address: where it listens, as people open it.
        leaving: seconds of that while. A second signal, or Ctrl-C, ends it.
        told: of what was told before.
    """

    def __init__(self, config: uvicorn.Config, service: Service, address: str, leaving: float, told: _Told) -> None:
        super().__init__(config)
        self._address, self._told = address, told
        self._service, self._leaving, self._left = service, leaving, False
        self._loop = asyncio.get_running_loop()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        if self._told.stop:
            self.should_exit = True
            _after(LAST, lambda: os._exit(0))
            return
        await super().startup(sockets)
        if self.started and not self.should_exit:
            LOGGER.info("It answers at %s; that is the console's address too.", self._address)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Called by a signal."""
        if not self.started:
            self._told.now()
            self.should_exit = True
            return
        if sig != signal.SIGTERM or self._left or not self._leaving:
            super().handle_exit(sig, frame)
            return
        self._left = True
        self._captured_signals.append(sig)
        self._loop.call_soon_threadsafe(self._leave)

    def _leave(self) -> None:
        LOGGER.info("Told to stop: it is not ready any more, and listens for another %g s.", self._leaving)
        self._service.leaving()
        closing = (b"connection", b"close")
        self.config.encoded_headers.append(closing)
        self.server_state.default_headers.append(closing)
        self._loop.call_later(self._leaving, setattr, self, "should_exit", True)

    async def on_tick(self, counter: int) -> bool:
        if counter % 10 == 0:
            look_at(self.server_state.connections)
        return await super().on_tick(counter)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        timer = _after(END, _end)
        self._service.stopping()
        await super().shutdown(sockets)
        timer.cancel()
        _after(LAST, lambda: os._exit(0))  # what is left waits for servers that are away


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


def _after(seconds: float, call: Callable[[], None]) -> threading.Timer:
    """Calls it on a thread of its own, which keeps no process from ending."""
    timer = threading.Timer(seconds, call)
    timer.daemon = True
    timer.start()
    return timer


def _end_later() -> None:
    time.sleep(END)
    _end()


def _end() -> None:
    LOGGER.error("The service did not end within %.1f s of being told to; it ends now.", END)
    os._exit(1)


def _loop() -> asyncio.AbstractEventLoop:
    if sys.platform == "win32":
        return asyncio.new_event_loop()
    import uvloop

    return uvloop.new_event_loop()

"""The stage of the proof: its own stack on free ports in its own folder, one supervised worker, one service."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil

from millrace.lag import LagMeter
from millrace.platform import Platform
from millrace.product import Product
from millrace.settings import Settings
from millrace.stack import Stack
from millrace.stack.plan import variables


@dataclass(frozen=True)
class Stage:
    """What runs, and how to reach it."""

    settings: Settings
    product: Product
    platform: Platform
    meter: LagMeter
    trace: Path
    learn: psutil.Process
    """The supervisor; its children are the worker processes."""

    def worker(self) -> psutil.Process | None:
        """The worker process that runs now, if one does."""
        children = self.learn.children()
        return children[0] if children else None


@contextmanager
def stage(folder: Path) -> Iterator[Stage]:
    """Start everything in `folder`; on the way out stop it by its own process ids."""
    settings = _settings(folder)
    product_folder = folder / "movies"
    shutil.copytree(Path("examples/movies"), product_folder, ignore=shutil.ignore_patterns("__pycache__"))
    trace = folder / "trace.jsonl"
    with ExitStack() as started:
        stack = Stack(settings)
        stack.up(_say)
        started.callback(stack.down)
        platform = started.enter_context(closing(Platform(settings)))
        product = Product.load(product_folder)
        platform.prepare(product)
        learn = started.enter_context(_process(folder, settings, "learn", str(product_folder), "--trace", str(trace)))
        service = started.enter_context(_process(folder, settings, "serve", str(product_folder)))
        _wait_until_ready(settings, service)
        meter = started.enter_context(closing(LagMeter(platform, product)))
        yield Stage(settings, product, platform, meter, trace, psutil.Process(learn.pid))


def _settings(folder: Path) -> Settings:
    kafka, controller, registry, redis, service = _free_ports(5)
    return Settings(
        kafka=f"127.0.0.1:{kafka}",
        kafka_controller_port=controller,
        registry_url=f"http://127.0.0.1:{registry}",
        redis_url=f"redis://127.0.0.1:{redis}/0",
        relational_url=f"sqlite:///{folder.absolute()}/state/relational.db",
        service_port=service,
        state_dir=folder / "state",
    )


def _free_ports(count: int) -> list[int]:
    with ExitStack() as held:
        sockets = [held.enter_context(socket.socket()) for _ in range(count)]
        for item in sockets:
            item.bind(("127.0.0.1", 0))
        return [item.getsockname()[1] for item in sockets]


@contextmanager
def _process(folder: Path, settings: Settings, *command: str) -> Iterator[subprocess.Popen[bytes]]:
    with (folder / f"{command[0]}.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "millrace", *command],
            env={**os.environ, **variables(settings)},
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait_until_ready(settings: Settings, service: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + 60
    while time.monotonic() < until:
        if service.poll() is not None:
            raise RuntimeError(f"The models service ended with {service.returncode}; see serve.log.")
        try:
            if httpx.get(f"{settings.service_url}/readyz").status_code == 200:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.05)
    raise RuntimeError("The models service was not ready within 60 s; see serve.log.")


def _say(text: str) -> None:
    sys.stderr.write(text + "\n")

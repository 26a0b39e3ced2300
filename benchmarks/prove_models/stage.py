"""The servers of the proof, each a process of its own that is ended by its own id."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import psutil

from benchmarks.key import made_key
from benchmarks.ports import free_port
from benchmarks.process import PYTHON, millrace_process, process, wait_until_it_answers, wait_until_ready
from millrace.settings import Settings
from serving.access.keys import Scope
from serving.api_key import authorization

PRODUCT = Path(__file__).parent / "product"
PATIENCE = 90.0


@dataclass(frozen=True)
class Server:
    """One process that listens.

    Attributes:
        folder: of the product that it serves, where it serves one.
        key: that it asks for, if it does.
    """

    name: str
    port: int
    process: psutil.Process
    folder: Path | None = None
    key: str = field(default="", repr=False)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def headers(self) -> dict[str, str]:
        """What a client of it sends."""
        return authorization(self.key)

    def cpu(self) -> float:
        """Seconds of CPU that it has used, with its children that live."""
        every = [item.cpu_times() for item in (self.process, *self.process.children(recursive=True))]
        return float(sum(times.user + times.system for times in every))


@contextmanager
def rival(folder: Path, name: str, redis_url: str, near: int = 0) -> Iterator[Server]:
    """One of `rivals.py`, ready."""
    port = free_port()
    command = [*PYTHON, "benchmarks.prove_models.rivals", name, str(port), redis_url, str(near)]
    with process(folder / f"{name}-{near}.log", command) as started:
        server = Server(f"{name}, cache {near >> 20} MB" if near else name, port, psutil.Process(started.pid))
        wait_until_it_answers(started, server.url, PATIENCE, status=None)
        yield server


def keyed(folder: Path, settings: Settings) -> tuple[Settings, str]:
    """The settings of a service that asks for a key, and the key."""
    file = folder / "keys.json"
    return replace(settings, keys_file=file), made_key(file, Scope.ANSWER)


@contextmanager
def service(folder: Path, settings: Settings, name: str, example: Path = PRODUCT, key: str = "") -> Iterator[Server]:
    """`millrace serve` with a copy of a product, ready; whatever the settings ask for is on."""
    port = free_port()
    product, own = folder / name / "product", replace(settings, service_port=port)
    shutil.copytree(example, product, ignore=shutil.ignore_patterns("__pycache__"))
    with millrace_process(folder / name, own, "serve", str(product)) as started:
        wait_until_ready(started, own, PATIENCE)
        yield Server(name, port, psutil.Process(started.pid), product, key)


@contextmanager
def listening(name: str, folder: Path, command: list[str], path: str) -> Iterator[Server]:
    """A program that is started in a folder, and answers there; `{port}` stands for its port."""
    port = free_port()
    program = [part.format(port=port) for part in command]
    with process(folder / f"{name}.log", program, folder=folder) as started:
        server = Server(name, port, psutil.Process(started.pid))
        wait_until_it_answers(started, server.url + path, PATIENCE)
        yield server


@contextmanager
def writing(folder: Path, redis_url: str) -> Iterator[None]:
    """Commits go on meanwhile."""
    log = folder / "writer.log"
    with process(log, [*PYTHON, "benchmarks.prove_models.rows", redis_url]) as started:
        yield
        if started.poll() is not None:
            raise RuntimeError(f"The writer has ended; see {log}.")

"""The servers of a part: one Kafka with its registry, and for whoever counts a Redis of its own with an empty log."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import replace
from pathlib import Path

import polars as pl

from benchmarks.local_stack import local_stack
from benchmarks.ports import free_port
from benchmarks.process import millrace_process
from benchmarks.prove_storage.targets import Running
from benchmarks.prove_streams.progress import Counting
from learners.declaration import declarations
from millrace.platform import Platform
from millrace.product import Product
from millrace.settings import Settings
from millrace.stack.redis import RedisServer
from storage import to_frame

PRODUCT = Path(__file__).parent / "product"


def broker(folder: Path, partitions: int = 4) -> AbstractContextManager[Settings]:
    """Kafka, whose topics get so many partitions, and the registry; there is no Redis yet."""
    return local_stack(folder, redis_url="redis://elsewhere", partitions=partitions)


@contextmanager
def own_redis(folder: Path, settings: Settings) -> Iterator[Settings]:
    """The settings with a Redis that is as the local stack has it, and empty."""
    folder.mkdir(parents=True, exist_ok=True)
    with closing(Running(RedisServer(folder / "redis", free_port()), folder / "redis.log")) as redis:
        yield replace(settings, redis_url=redis.url)


def product(folder: Path, fold: str) -> Path:
    """A copy of the product with one of its folds."""
    copy = folder / "plays"
    shutil.copytree(PRODUCT, copy, ignore=shutil.ignore_patterns("__pycache__", "item.py", "user.py", "like.py"))
    shutil.copy(PRODUCT / f"{fold}.py", copy / "learners.py")
    return copy


@contextmanager
def learning(folder: Path, settings: Settings, fold: str, processes: int = 1) -> Iterator[Counting]:
    """`millrace learn`: the supervisor, and what its workers trace."""
    trace = folder / "trace.jsonl"
    command = ["learn", str(product(folder, fold)), "--trace", str(trace), "--processes", str(processes)]
    with millrace_process(folder, settings, *command) as started:
        yield Counting(started, trace)


def rows(folder: Path, settings: Settings, name: str) -> pl.DataFrame:
    """All rows of the storage that is the attribute `name` of one of a product's learners. Blocks while they are read.

    Raises:
        ValueError: no worker has declared it yet.
    """
    loaded = Product.load(folder)
    every = declarations(loaded.learners, loaded.event_types)
    [storage] = [item.storages[name] for item in every if name in item.storages]
    with closing(Platform(settings)) as platform:
        technology = platform.technologies["redis"]
        [descriptor] = [item for item in technology.storages() if item.storage == storage.storage]
        return to_frame(storage, technology, descriptor)

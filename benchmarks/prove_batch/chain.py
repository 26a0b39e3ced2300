"""A chain over two languages: events are exported, a program in JavaScript trains on them, its vectors are loaded, and
an endpoint answers from them; a run that fails changes none of its answers."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from benchmarks.local_stack import local_stack
from benchmarks.process import millrace_process, wait_until_ready
from benchmarks.prove_batch.extent import Extent
from benchmarks.report import say
from millrace.jobs.runs import Runs
from millrace.platform import Platform
from millrace.product import Product
from millrace.settings import Settings
from millrace.stack.plan import variables

EXAMPLE = Path("examples/similar")
JOB, STORAGE = "item_vectors", "relational/vectors/items"
ASKED, SIZE = 40, 5
"""So many items are asked for, with so many similar ones each."""
LEAST = 0.9
"""The least share of similar items that stand on the item's own shelf: by chance it were a fifth."""


@dataclass(frozen=True)
class Found:
    """What came of it: events, vectors, the share of similar items on the right shelf; whether the run that was to fail
    did, and whether the answers were the same after it."""

    likes: int
    vectors: int
    share: float
    failed: bool
    same: bool

    @property
    def holds(self) -> bool:
        """Whether the chain does what it promises."""
        return self.vectors > 0 and self.share >= LEAST and self.failed and self.same


def measure(folder: Path, extent: Extent) -> dict[str, float | None]:
    """The key of the chain: whether it holds."""
    with local_stack(folder / "stack") as settings:
        found = chained(folder, settings)
    say(f"{found}")
    return {"other_language_chain": found.holds}


def chained(folder: Path, settings: Settings) -> Found:
    """Run it over servers that run. Blocks for some seconds."""
    place = folder / EXAMPLE.name
    shutil.copytree(EXAMPLE, place, ignore=shutil.ignore_patterns("__pycache__"))
    product = Product.load(place)
    likes = _emitted(product, settings)
    first = _run(folder, place, settings)
    with millrace_process(folder, settings, "serve", str(place)) as service:
        wait_until_ready(service, settings)
        before = _answers(settings)
        (place / "item_vectors.mjs").write_text("console.log('no memory'); process.exit(1);\n")
        (place / "jobs.toml").write_text((place / "jobs.toml").read_text().replace("retries = 2", "retries = 0"))
        second = _run(folder, place, settings)
        after = _answers(settings)
    right = [_shelf(near) == _shelf(item) for item, found in before.items() for near in found]
    loaded = Runs(place, settings).board().lines[0].runs[-1].figures.get(f"loaded {STORAGE}", 0)
    share = sum(right) / (ASKED * SIZE)
    return Found(likes, int(loaded), share, (first, second) == (0, 1), before == after)


def _emitted(product: Product, settings: Settings) -> int:
    with closing(Platform(settings)) as platform:
        platform.prepare(product)
        events = list(product.events())
        for event in events:
            platform.producer.emit(event)
    return len(events)


def _run(folder: Path, place: Path, settings: Settings) -> int:
    """Run the job by the command that people type; returns its exit code."""
    command = [sys.executable, "-m", "millrace", "jobs", "run", str(place), JOB]
    with (folder / "run.log").open("ab") as log:
        done = subprocess.run(
            command, env={**os.environ, **variables(settings)}, stdout=log, stderr=subprocess.STDOUT, timeout=170
        )
    return done.returncode


def _answers(settings: Settings) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    with httpx.Client(base_url=settings.service_url, timeout=30.0, trust_env=False) as client:
        for number in range(ASKED):
            item = f"s{number % 4}-b{number // 4}"
            answer: Any = client.post("/v1/similar", json={"item": item, "size": SIZE}).raise_for_status().json()
            found[item] = [near["id"] for near in answer["items"]]
    return found


def _shelf(item: str) -> str:
    return item.partition("-")[0]

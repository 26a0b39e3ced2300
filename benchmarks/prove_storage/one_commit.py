"""One commit that ends at a given step: in a process of its own, without Kafka, for going through all steps."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from uuid import uuid4

from benchmarks.prove_storage.steps import Count
from storage.address import Address
from storage.descriptor import Descriptor
from storage.kinds import KINDS
from storage.technologies import opened
from storage.technology import Technology
from storage.unit import Claim, UnitId
from storage.writes import Writes

BEFORE, AFTER, END = 6, 9, 12
"""The commit goes from the first to the second; a zombie goes on to the third."""


def run(technology: str, url: str, learner: str, last: int | None, fate: str, trace: str) -> None:
    """Claim, commit twice, and commit until the step; whatever the outcome, try to go on.

    Args:
        last: number of the step, from 0; None = none, and the number of steps is told.
        fate: "SIGKILL" or "SIGSTOP".
        trace: file for what became of it, as JSON lines.
    """
    with Path(trace).open("a", encoding="utf-8", buffering=1) as file:

        def tell(line: Mapping[str, Any]) -> None:
            file.write(json.dumps(line) + "\n")

        def end(step: str) -> None:
            sys.setprofile(None)
            tell({"step": step})
            os.kill(os.getpid(), signal.Signals[fate])

        storage = opened(technology, url)
        claim = storage.claim(unit(learner), uuid4().hex)
        for start in (0, 3):
            commit(storage, claim, technology, start, start + 3)
        count = Count(last, end)
        sys.setprofile(count)
        try:
            outcome = commit(storage, claim, technology, BEFORE, AFTER)
        finally:
            sys.setprofile(None)
            tell({"steps": count.count})
        tell({"outcome": outcome})
        tell({"outcome": commit(storage, claim, technology, AFTER, END)})


def unit(learner: str) -> UnitId:
    """The learner's only unit."""
    return UnitId(learner, 1, 1, "clicks", 0)


def storages(technology: str, learner: str) -> list[Descriptor]:
    """What it writes: a record that is put, and, where the technology can, sums that are added to."""
    formats = ["records"] if "counters" in KINDS[technology].refuses else ["records", "counters"]
    created = "2026-01-01T00:00:00+00:00"
    writer = f"{learner}@1"
    return [Descriptor(technology, form, learner, 1, writer, 1, "clicks", {}, None, created) for form in formats]


def commit(storage: Technology, claim: Claim, technology: str, start: int, end: int) -> str:
    """Fold `log[start:end]`; the name of the outcome."""
    expected = start or None
    return storage.commit(claim, expected, end, writes(technology, claim.unit.learner, start, end), None).name


def writes(technology: str, learner: str, start: int, end: int) -> Writes:
    """The record holds all events so far, and each event is counted. On a cluster the two rows are in shards apart."""
    found = Writes(puts={Address(f"records/{learner}", "all"): bytes(range(end))})
    if "counters" not in KINDS[technology].refuses:
        found.sums[Address(f"counters/{learner}", "every")] = {str(event): 1 for event in range(start, end)}
    return found

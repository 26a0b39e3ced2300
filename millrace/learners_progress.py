"""How far each learner has come, who folds its partitions, and what stands still and why: `millrace status`."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Mapping, Sequence, Set
from contextlib import closing
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from learners.derived import is_writer
from millrace.lag import Lag, lag_of
from millrace.platform import READERS, Platform
from millrace.settings import Settings
from schemas.readers import readers_of
from storage import UnitId, UnitState
from storage.clock import moment
from streams import Stop
from streams.assignments import assignments

PATIENCE = 2.0
"""Seconds for which a server may take to say."""
STILL = 5.0
"""Seconds without a commit, with events waiting, after which a unit counts as standing still."""
PRODUCTS = "millrace-"
"""How the names of the groups begin in which products' learners fold."""
REBUILD = "-rebuild-"
"""What stands in the name of a rebuild's group between the product and the version of a learner that it makes."""
GONE = "no product declares it any more: millrace storages list shows what it wrote, and storages delete removes it"
Place = tuple[str, int]


@dataclass(frozen=True)
class UnitProgress:
    """One unit.

    Attributes:
        end: where its log ends.
        workers: the members of consumer groups that have its partition.
        condition: "in step", "behind", "stands still", "no worker", "not started" or "not declared".
        why: more of the last four.
        stopped: it was told to stand still, as too many events were bad or one cannot be read.
    """

    unit: UnitId
    position: int | None
    end: int
    behind: Lag
    committed_ms: int | None
    workers: Sequence[str]
    condition: str
    why: str = ""
    stopped: bool = False

    @property
    def document(self) -> dict[str, Any]:
        """For programs."""
        return {
            "partition": f"{self.unit.topic}/{self.unit.partition}",
            "state": self.condition,
            "position": self.position,
            "end": self.end,
            "behind": self.behind.events,
            "last_commit": moment(self.committed_ms),
            "workers": list(self.workers),
            "why": self.why or None,
        }


def progress(
    units: Iterable[UnitState],
    ends: Mapping[Place, tuple[int, int]],
    stops: Iterable[Stop],
    workers: Mapping[Place, Sequence[str]],
    now_ms: float,
    declared: Mapping[str, Set[str]] = MappingProxyType({}),
) -> list[UnitProgress]:
    """What is known of each unit, by learner, version, topic and partition. Pure.

    A unit whose topic is gone is left out, and so is a version after which another one has committed.

    Args:
        declared: the names of each product's learners, where it has said them.
    """
    stopped = {(item.reader, item.version, item.topic, item.partition): item for item in stops}
    present = _present(units)
    found = []
    for state in sorted(present, key=lambda one: _key(one.unit)):
        place = (state.unit.topic, state.unit.partition)
        if place in ends:
            behind = lag_of({place: ends[place]}, {state.unit.learner: state.unit.topic}, [state], now_ms)
            mine = [name for name in workers.get(place, ()) if _may_fold(name, state.unit)]
            stop = stopped.get(_key(state.unit))
            told = _condition(state, behind, stop, mine, _folded_instead(state, present))
            if told[0] in _LATE and _gone(state.unit.learner, mine, declared):
                told = ("not declared", GONE)
            found.append(
                UnitProgress(
                    state.unit, state.next, ends[place][1], behind, state.committed_ms, mine, *told, stop is not None
                )
            )
    return found


def rows(found: Sequence[UnitProgress]) -> list[dict[str, Any]]:
    """A row for each learner, with the state of the unit that somebody should look at first."""
    learners: dict[tuple[str, str], list[UnitProgress]] = {}
    for item in found:
        learners.setdefault((f"{item.unit.learner}@{item.unit.version}", item.unit.topic), []).append(item)
    return [
        {
            "learner": learner,
            "state": min((one.condition for one in mine), key=_ORDER.index),
            "folds": topic,
            "units": len(mine),
            "behind": sum(one.behind.events for one in mine),
            "last_commit": moment(max((one.committed_ms for one in mine if one.committed_ms), default=None)),
            "workers": ", ".join(sorted({name for one in mine for name in one.workers})) or None,
        }
        for (learner, topic), mine in learners.items()
    ]


def documents(found: Sequence[UnitProgress]) -> list[dict[str, Any]]:
    """The same rows for programs, each with its units."""
    return [
        row
        | {"units": [one.document for one in found if (_title(one), one.unit.topic) == (row["learner"], row["folds"])]}
        for row in rows(found)
    ]


def unusual(found: Iterable[UnitProgress]) -> list[str]:
    """A line for each unit that has no worker, has not started, is not declared, or stands still unsaid."""
    return [
        f"{_title(one)} on {one.unit.topic}/{one.unit.partition}, {one.position or 0:,} of {one.end:,}: "
        f"{one.condition}, as {one.why}"
        for one in found
        if one.why and not one.stopped
    ]


def learners_progress(settings: Settings, stops: Sequence[Stop]) -> list[UnitProgress]:
    """What `progress` says now. Creates nothing; blocks for a read of the storages and two of Kafka.

    Raises:
        MillraceError: Kafka or a storage does not answer.
    """
    units = asyncio.run(_units(settings))
    platform = Platform(settings)
    with closing(platform):
        there = set(platform.topics.names())
        ends = platform.topics.ends(sorted({state.unit.topic for state in units} & there))
        workers = assignments(platform.kafka, PRODUCTS, PATIENCE) if units else {}
        declared = _declared(platform) if READERS in there else {}
    return progress(units, ends, stops, workers, time.time() * 1000, declared)


def _declared(platform: Platform) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for reader in readers_of(platform.readers.documents()):
        found.setdefault(reader.product, set()).add(reader.learner)
    return found


def _gone(learner: str, workers: Sequence[str], declared: Mapping[str, Set[str]]) -> bool:
    """Whether all that read its partition are workers of products that have said their learners, without this one.

    Those that only split a topic by another key are declared by no product."""
    products = {name.partition("/")[0] for name in workers}
    return (
        bool(products)
        and not is_writer(learner)
        and all(product in declared and learner not in declared[product] for product in products)
    )


async def _units(settings: Settings) -> list[UnitState]:
    async with Platform(settings).catalogue() as catalogue:
        await catalogue.refresh(PATIENCE)
        return [state for states in catalogue.states().values() for state in states]


def _present(units: Iterable[UnitState]) -> list[UnitState]:
    """Each unit once, as the furthest behind of its technologies has it; of a learner the newest version, and of the
    older ones that which has committed last, if that was since."""
    found: dict[UnitId, UnitState] = {}
    for state in units:
        found[state.unit] = min(
            found.get(state.unit, state), state, key=lambda one: -1 if one.next is None else one.next
        )
    last: dict[str, dict[int, int]] = {}
    for state in found.values():
        versions = last.setdefault(state.unit.learner, {})
        versions[state.unit.version] = max(versions.get(state.unit.version, 0), state.committed_ms or 0)
    shown = {
        learner: {max(versions), max(versions, key=lambda version: (versions[version], version))}
        for learner, versions in last.items()
    }
    return [state for state in found.values() if state.unit.version in shown[state.unit.learner]]


def _folded_instead(state: UnitState, present: Sequence[UnitState]) -> int | None:
    """The older version that has committed in the same partition since this one did."""
    unit = state.unit
    for other in present:
        same = (other.unit.learner, other.unit.topic, other.unit.partition) == (
            unit.learner,
            unit.topic,
            unit.partition,
        )
        if same and other.unit.version < unit.version and (other.committed_ms or 0) > (state.committed_ms or 0):
            return other.unit.version
    return None


def _may_fold(worker: str, unit: UnitId) -> bool:
    """Whether a worker, as `group/member`, may have a unit: a rebuild folds the version alone that it makes."""
    made = worker.partition("/")[0].partition(REBUILD)[2]
    return made in ("", f"{unit.learner}-{unit.version}")


def _condition(
    state: UnitState, behind: Lag, stop: Stop | None, workers: Sequence[str], instead: int | None
) -> tuple[str, str]:
    if stop is not None:
        return "stands still", stop.reason
    if not behind.events:
        return "in step", ""
    if not workers:
        return "no worker", "no process of a group has this partition: millrace learn"
    log = "its worker's log says"
    if instead is not None:
        log = f"version {instead} has committed since: start workers of this one, and if there are some, their log says"
    if state.committed_ms is None:
        return "not started", f"its first commit is still to come; {log} what it waits for"
    if behind.seconds > STILL:
        return "stands still", f"its last commit was {behind.seconds:,.0f} s ago; {log} why"
    return "behind", ""


def _key(unit: UnitId) -> tuple[str, int, str, int]:
    return unit.learner, unit.version, unit.topic, unit.partition


def _title(one: UnitProgress) -> str:
    return f"{one.unit.learner}@{one.unit.version}"


_LATE = ("stands still", "not started")
_ORDER = ("stands still", "no worker", "not started", "not declared", "behind", "in step")

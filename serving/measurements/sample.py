"""What was true at one moment: the plain values that the measurements are computed from.

Counts are cumulative since their source began; rates and latencies of a window are differences of two samples. `None`
in place of a source's values means that the source did not answer in time for this sample, never that it is empty.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from storage import Alias, Descriptor, UnitId, UnitState
from storage.event_times import UnitTime
from streams.retention import Retention
from streams.stops import Stop

Partition = tuple[str, int]
"""A topic's name and the number of one of its partitions."""

Ends = Mapping[Partition, tuple[int, int]]
"""Low and high end of each partition's log, as offsets."""


NOBODY = "nobody"


class Failure(NamedTuple):
    """How an implementation gave no answer: which one, why (a problem's kind), and what answered in its place: another
    one, `last-good`, `default`, or `NOBODY`."""

    implementation: str
    reason: str
    instead: str


@dataclass(frozen=True, slots=True)
class AnswerCounts:
    """One endpoint type's answers so far, how often its implementations failed, and how many requests were refused
    at once (`shed`). `buckets[i]` counts answers that
    took at most `bounds[i]` seconds and more than the bound before; the last bucket, which has no bound, counts the
    slower ones."""

    answers: int = 0
    fallbacks: int = 0
    errors: int = 0
    bounds: tuple[float, ...] = ()
    buckets: tuple[int, ...] = ()
    failures: Mapping[Failure, int] = field(default_factory=dict)
    shed: int = 0


@dataclass(frozen=True, slots=True)
class VariantCounts:
    """What the attribution learners have counted for one variant. `rewards` is None while nobody counts them."""

    decisions: int = 0
    rewards: int | None = None


@dataclass(frozen=True, slots=True)
class Amount:
    """How much a storage held at `at` (seconds since the epoch): about so many rows, of rankings members, of counters
    fields, and bytes; None where its technology cannot say cheaply."""

    at: float
    rows: int | None = None
    bytes: int | None = None


@dataclass(frozen=True, slots=True)
class Connection:
    """A server that the service talks to: when it last answered (seconds since the epoch; None = never since start),
    how long that took in milliseconds, and the error of the newest try if it failed."""

    name: str
    answered: float | None = None
    milliseconds: float | None = None
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Sample:
    """Everything measured at `at` (seconds since the epoch)."""

    at: float
    ends: Ends | None = None
    storages: Sequence[Descriptor] | None = None
    aliases: Mapping[str, Alias] = field(default_factory=dict)
    """What the name of each of these storages stands for, by the storage's title."""
    units: Mapping[UnitId, UnitState] | None = None
    """Every unit that has committed or claimed, of the technologies that answered; one that writes several storages has
    one state for all."""
    amounts: Mapping[str, Amount] = field(default_factory=dict)
    """How much each storage holds, by title."""
    answers: Mapping[str, AnswerCounts] = field(default_factory=dict)
    variants: Mapping[str, Mapping[str, VariantCounts]] | None = None
    """Per experiment and variant."""
    connections: Sequence[Connection] = ()
    decisions: Mapping[str, int] = field(default_factory=dict)
    """What became of all answers' decisions: `DecisionLog.counts`."""
    stops: Sequence[Stop] = ()
    """Units that stand still, as too many events were bad."""
    event_times: Sequence[UnitTime] = ()
    """Watermarks and late events of units whose learners say what is late."""
    retentions: Mapping[str, Retention] = field(default_factory=dict)
    """How long each topic keeps its events."""

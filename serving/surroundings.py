"""What a service is given beside its code and storages: what it takes, what it shows, what it shares with others."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from schemas import EventType
from schemas.table import Table
from serving.backtests import Backtests
from serving.console import ProductPage
from serving.event_lines import DeadLetters, Deliverer
from serving.jobs import Jobs
from serving.measurements import Topics
from serving.refused import Refused
from serving.registered import Registered
from serving.spool import Spool
from serving.telling import Telling
from streams.looking import Looking
from streams.retention import Retention


class NoTopics:
    """Topics for a service that has no Kafka to look at."""

    def names(self) -> Sequence[str]:
        """None."""
        return ()

    def ends(self, names: Sequence[str]) -> Mapping[tuple[str, int], tuple[int, int]]:
        """None."""
        return {}

    def retentions(self, names: Sequence[str]) -> Mapping[str, Retention]:
        """None."""
        return {}


@dataclass(frozen=True)
class Events:
    """What the intake needs: the event types it takes, who sends them, who keeps what is refused; and the spool that
    keeps what Kafka does not take now, whose events the deliverer tries to send without end. None = there is none."""

    event_types: Mapping[str, EventType]
    deliverer: Deliverer
    dead_letters: DeadLetters
    spool: Spool | None = None


@dataclass(frozen=True)
class Watched:
    """What the console shows beside answers and storages.

    Attributes:
        topics: and where they end.
        names: of the topics that are shown, in their order; the others are not.
        probes: of other servers, by their names.
        pages: of products.
        lifts: the file that keeps how lifts went.
        refused: what became of events that were refused.
        registered: what is registered, and who reads it.
        told: where this service tells what it reads itself.
        looking: the logs that it looks into.
        jobs: the product's batch jobs.
        backtests: what backtests have found.
    """

    topics: Topics = field(default_factory=NoTopics)
    names: Sequence[str] = ()
    probes: Mapping[str, Callable[[], object]] = field(default_factory=dict)
    pages: Sequence[ProductPage] = ()
    lifts: Path | None = None
    refused: Refused | None = None
    registered: Registered | None = None
    told: Telling | None = None
    looking: Looking | None = None
    jobs: Jobs | None = None
    backtests: Backtests | None = None


@dataclass(frozen=True)
class Shared:
    """Where experiments are shared with the other replicas, and the file in which this one keeps a copy."""

    table: Table
    file: Path | None = None

"""What the service counts about itself: answers, fallbacks, errors and how long answers took. No I/O, one thread."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Mapping
from itertools import accumulate
from types import MappingProxyType

from schemas.exposition import head
from serving.measurements import AnswerCounts, Failure
from serving.overload.admission import Admission
from storage.reader import Kept

BOUNDS = (
    *(0.00025, 0.0005, 0.00075, 0.001, 0.0015, 0.002, 0.003, 0.005, 0.0075, 0.01, 0.015, 0.02),
    *(0.03, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.5, 1.0, 2.0, 5.0),
)
"""Upper ends of the latency histogram's buckets in seconds, close enough for a p99 to a third of its value."""


class Answers:
    """One endpoint type's answers so far."""

    __slots__ = ("answers", "buckets", "errors", "failures", "fallbacks", "held", "refused", "seconds", "shed")

    def __init__(self) -> None:
        self.answers = 0
        self.fallbacks = 0
        self.shed = 0
        """Requests that were refused at once, as they could not be answered in time."""
        self.held = 0
        """Times that an implementation held the event loop for longer than its deadline."""
        self.failures: Counter[Failure] = Counter()
        """Times that an implementation gave no answer."""
        self.errors: Counter[int] = Counter()
        """Requests that got no answer through our fault, by status."""
        self.refused: Counter[int] = Counter()
        """Requests that were not answerable, by status."""
        self.buckets = [0] * (len(BOUNDS) + 1)
        self.seconds = 0.0

    def answered(self, seconds: float, fallback: bool) -> None:
        """Count one answer that took so long."""
        self.answers += 1
        self.fallbacks += fallback
        self.seconds += seconds
        self.buckets[bisect_left(BOUNDS, seconds)] += 1

    @property
    def counts(self) -> AnswerCounts:
        """As the measurements sample them."""
        return AnswerCounts(
            self.answers,
            self.fallbacks,
            self.errors.total(),
            BOUNDS,
            tuple(self.buckets),
            dict(self.failures),
            self.shed,
        )

    def problem(self, status: int) -> None:
        """Count a request that got none."""
        (self.errors if status >= 500 else self.refused)[status] += 1


class Metrics:
    """All counts of one service."""

    def __init__(self, admission: Admission) -> None:
        self._admission = admission
        self.endpoints: dict[str, Answers] = {}
        self.accepted: Counter[str] = Counter()
        """Events that Kafka acknowledged, by topic."""
        self.refused: Counter[str] = Counter()
        """Events that did not fit their schema, by topic."""
        self.spooled: Counter[str] = Counter()
        """Events that were forced onto the disk while Kafka was away, by topic."""
        self.spool_bytes = 0
        """Bytes that they take there."""
        self.turned_away: Counter[str] = Counter()
        """Requests of whoever is not known, may not, or asks too often, by problem."""

    def of(self, endpoint: str) -> Answers:
        """The counts of one endpoint type; they outlive its reload."""
        found = self.endpoints.get(endpoint)
        if found is None:
            found = self.endpoints[endpoint] = Answers()
        return found

    def held(self, endpoint: str) -> None:
        """Count that an implementation of this type has held the event loop; may be called in another thread."""
        self.of(endpoint).held += 1

    def counts(self) -> Mapping[str, AnswerCounts]:
        """The answers as the measurements sample them."""
        return {name: item.counts for name, item in self.endpoints.items()}

    def text(self, decisions: Mapping[str, int], kept: Mapping[str, Kept] = MappingProxyType({})) -> str:
        """Everything in Prometheus' text format 0.0.4. `decisions` are the decision log's counts, `kept` is what the
        catalogue says of what is near."""
        lines = [*self._answers(), *self._delays(), *self._events(), *_decisions(decisions), *_near(kept)]
        return "".join(line + "\n" for line in lines)

    def _answers(self) -> Iterable[str]:
        yield from head("millrace_fallbacks_total", "counter", "Answers that a fallback gave.")
        for name, item in self.endpoints.items():
            yield f'millrace_fallbacks_total{{endpoint="{name}"}} {item.fallbacks}'
        yield from head("millrace_failures_total", "counter", "Times that an implementation gave no answer.")
        for name, item in self.endpoints.items():
            for (failed, reason, instead), count in item.failures.items():
                labels = f'endpoint="{name}",implementation="{failed}",reason="{reason}",instead="{instead}"'
                yield f"millrace_failures_total{{{labels}}} {count}"
        yield from head("millrace_problems_total", "counter", "Requests that got a problem instead of an answer.")
        for name, item in self.endpoints.items():
            for status, count in sorted((item.errors + item.refused).items()):
                yield f'millrace_problems_total{{endpoint="{name}",status="{status}"}} {count}'
        yield from head("millrace_in_flight", "gauge", "Requests that are being answered.")
        for name, traffic in self._admission.traffic.items():
            yield f'millrace_in_flight{{endpoint="{name}"}} {traffic.in_flight}'
        yield from head("millrace_answer_seconds", "histogram", "From a request's arrival to its answer.")
        for name, item in self.endpoints.items():
            for bound, count in zip((*BOUNDS, "+Inf"), accumulate(item.buckets), strict=True):
                yield f'millrace_answer_seconds_bucket{{endpoint="{name}",le="{bound}"}} {count}'
            yield f'millrace_answer_seconds_sum{{endpoint="{name}"}} {item.seconds}'
            yield f'millrace_answer_seconds_count{{endpoint="{name}"}} {item.answers}'

    def _delays(self) -> Iterable[str]:
        held = "Times that an implementation held the event loop for longer than its deadline."
        for what, words in (("shed", "Requests that were refused at once: too much is asked."), ("held", held)):
            yield from head(f"millrace_{what}_total", "counter", words)
            for name, item in self.endpoints.items():
                yield f'millrace_{what}_total{{endpoint="{name}"}} {getattr(item, what)}'

    def _events(self) -> Iterable[str]:
        for what, counts, words in (
            ("accepted", self.accepted, "Events that Kafka acknowledged."),
            ("refused", self.refused, "Events that did not fit their schema."),
            ("spooled", self.spooled, "Events that were kept on disk while Kafka was away."),
        ):
            yield from head(f"millrace_events_{what}_total", "counter", words)
            for topic, count in counts.items():
                yield f'millrace_events_{what}_total{{topic="{topic}"}} {count}'
        yield from head("millrace_events_spool_bytes", "gauge", "Bytes of events that are on disk.")
        yield f"millrace_events_spool_bytes {self.spool_bytes}"
        words = "Requests of whoever is not known, may not, or asks too often."
        yield from head("millrace_turned_away_total", "counter", words)
        for kind, count in self.turned_away.items():
            yield f'millrace_turned_away_total{{problem="{kind}"}} {count}'


def _decisions(counts: Mapping[str, int]) -> Iterable[str]:
    for name, kind, words in (
        ("logged", "counter", "Decisions that Kafka acknowledged."),
        ("dropped", "counter", "Decisions that were not logged: queue and spool were full, or Kafka refused them."),
        ("recovered", "counter", "Decisions that an earlier process had left in the spool."),
        ("queued", "gauge", "Decisions on their way to Kafka, in memory only."),
        ("spooled", "gauge", "Decisions on disk, which Kafka has not acknowledged."),
        ("spool_bytes", "gauge", "Bytes that the spool takes on disk."),
        ("spool_seconds", "gauge", "Age of the oldest decision in the spool."),
    ):
        full = f"millrace_decisions_{name}{'_total' if kind == 'counter' else ''}"
        yield from head(full, kind, words)
        yield f"{full} {counts[name]}"


def _near(kept: Mapping[str, Kept]) -> Iterable[str]:
    yield from head("millrace_near_total", "counter", "Parts of rows that were kept near when asked for, or were not.")
    for name, item in kept.items():
        yield f'millrace_near_total{{technology="{name}",result="hit"}} {item.hits}'
        yield f'millrace_near_total{{technology="{name}",result="miss"}} {item.misses}'
    yield from head("millrace_near_bytes", "gauge", "Bytes that rows kept near take.")
    for name, item in kept.items():
        yield f'millrace_near_bytes{{technology="{name}"}} {item.size}'

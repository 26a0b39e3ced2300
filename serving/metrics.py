"""What the service counts about itself: answers, fallbacks, errors and how long answers took. No I/O, one thread."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Mapping
from itertools import accumulate

from serving.measurements import AnswerCounts

BOUNDS = (
    *(0.00025, 0.0005, 0.00075, 0.001, 0.0015, 0.002, 0.003, 0.005, 0.0075, 0.01, 0.015, 0.02),
    *(0.03, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.5, 1.0, 2.0, 5.0),
)
"""Upper ends of the latency histogram's buckets in seconds, close enough for a p99 to a third of its value."""


class Answers:
    """One endpoint type's answers so far."""

    __slots__ = ("answers", "buckets", "errors", "fallbacks", "refused", "seconds")

    def __init__(self) -> None:
        self.answers = 0
        self.fallbacks = 0
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

    def problem(self, status: int) -> None:
        """Count a request that got none."""
        (self.errors if status >= 500 else self.refused)[status] += 1


class Metrics:
    """All counts of one service."""

    def __init__(self) -> None:
        self.endpoints: dict[str, Answers] = {}
        self.accepted: Counter[str] = Counter()
        """Events that Kafka acknowledged, by topic."""
        self.refused: Counter[str] = Counter()
        """Events that did not fit their schema, by topic."""

    def of(self, endpoint: str) -> Answers:
        """The counts of one endpoint type; they outlive its reload."""
        found = self.endpoints.get(endpoint)
        if found is None:
            found = self.endpoints[endpoint] = Answers()
        return found

    def counts(self) -> Mapping[str, AnswerCounts]:
        """The answers as the measurements sample them."""
        return {
            name: AnswerCounts(item.answers, item.fallbacks, item.errors.total(), BOUNDS, tuple(item.buckets))
            for name, item in self.endpoints.items()
        }

    def text(self, decisions: Mapping[str, int]) -> str:
        """Everything in Prometheus' text format 0.0.4. `decisions` are the decision log's counts."""
        return "".join(line + "\n" for line in [*self._answers(), *self._events(), *_decisions(decisions)])

    def _answers(self) -> Iterable[str]:
        yield from _head("millrace_fallbacks_total", "counter", "Answers that a fallback gave.")
        for name, item in self.endpoints.items():
            yield f'millrace_fallbacks_total{{endpoint="{name}"}} {item.fallbacks}'
        yield from _head("millrace_problems_total", "counter", "Requests that got a problem instead of an answer.")
        for name, item in self.endpoints.items():
            for status, count in sorted((item.errors + item.refused).items()):
                yield f'millrace_problems_total{{endpoint="{name}",status="{status}"}} {count}'
        yield from _head("millrace_answer_seconds", "histogram", "From a request's arrival to its answer.")
        for name, item in self.endpoints.items():
            for bound, count in zip((*BOUNDS, "+Inf"), accumulate(item.buckets), strict=True):
                yield f'millrace_answer_seconds_bucket{{endpoint="{name}",le="{bound}"}} {count}'
            yield f'millrace_answer_seconds_sum{{endpoint="{name}"}} {item.seconds}'
            yield f'millrace_answer_seconds_count{{endpoint="{name}"}} {item.answers}'

    def _events(self) -> Iterable[str]:
        for what, counts, words in (
            ("accepted", self.accepted, "Events that Kafka acknowledged."),
            ("refused", self.refused, "Events that did not fit their schema."),
        ):
            yield from _head(f"millrace_events_{what}_total", "counter", words)
            for topic, count in counts.items():
                yield f'millrace_events_{what}_total{{topic="{topic}"}} {count}'


def _decisions(counts: Mapping[str, int]) -> Iterable[str]:
    for name, kind, words in (
        ("logged", "counter", "Decisions that Kafka acknowledged."),
        ("dropped", "counter", "Decisions that were not logged: the queue was full, or Kafka refused them."),
        ("queued", "gauge", "Decisions on their way to Kafka."),
    ):
        full = f"millrace_decisions_{name}{'_total' if kind == 'counter' else ''}"
        yield from _head(full, kind, words)
        yield f"{full} {counts[name]}"


def _head(name: str, kind: str, words: str) -> Iterable[str]:
    yield f"# HELP {name} {words}"
    yield f"# TYPE {name} {kind}"

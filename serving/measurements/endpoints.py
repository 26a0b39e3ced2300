"""Endpoint types as measured: what they are, how many answers they give and how fast. No I/O."""

from __future__ import annotations

from dataclasses import dataclass

from serving.measurements.history import History
from serving.measurements.latency import between, percentile
from serving.measurements.sample import AnswerCounts, Sample

WINDOW = 60.0
"""Seconds of answers that latency percentiles, fallbacks and errors are taken over."""

NOTHING = AnswerCounts()


@dataclass(frozen=True, slots=True)
class ImplementationFacts:
    """One implementation as loaded: content hash, when (seconds since the epoch), the titles of the storages it reads,
    and, if its newest saved version was refused, why (the version before keeps answering)."""

    name: str
    hash: str = ""
    loaded: float | None = None
    reads: tuple[str, ...] = ()
    error: str | None = None
    source: str | None = None


@dataclass(frozen=True, slots=True)
class EndpointFacts:
    """One endpoint type as it is served now. `deadline` is in seconds; `errors` are failures to load its files."""

    name: str
    deadline: float
    implementations: tuple[ImplementationFacts, ...] = ()
    experiment: str | None = None
    errors: tuple[str, ...] = ()

    @property
    def reads(self) -> frozenset[str]:
        """Titles of the storages that any of its implementations reads."""
        return frozenset(title for implementation in self.implementations for title in implementation.reads)

    def readers(self, title: str) -> tuple[str, ...]:
        """Its implementations that read this storage."""
        return tuple(item.name for item in self.implementations if title in item.reads)

    @property
    def refusals(self) -> tuple[str, ...]:
        """Why saved code was refused, one sentence each."""
        return self.errors + tuple(item.error for item in self.implementations if item.error)


@dataclass(frozen=True, slots=True)
class EndpointFigures:
    """What one endpoint type did. Rates per second, latencies in seconds; None where nothing was answered or measured.
    `total` counts since the service started; `answered` is when the last answer was given, as far back as is kept."""

    facts: EndpointFacts
    total: int
    rate: float | None
    rates: tuple[float, ...]
    p50: float | None
    p99: float | None
    fallbacks: float | None
    errors: int
    answered: float | None

    @property
    def name(self) -> str:
        """The endpoint type's name."""
        return self.facts.name


def figures(facts: EndpointFacts, history: History) -> EndpointFigures:
    """Measure one endpoint type over the last minute, its rate over the last seconds."""

    def answers(sample: Sample) -> float:
        return sample.answers.get(facts.name, NOTHING).answers

    window = history.over(WINDOW)
    recent = NOTHING
    if window:
        recent = between(window[0].answers.get(facts.name, NOTHING), window[1].answers.get(facts.name, NOTHING))
    newest = history.newest
    return EndpointFigures(
        facts=facts,
        total=newest.answers.get(facts.name, NOTHING).answers if newest else 0,
        rate=history.rate(answers),
        rates=tuple(history.rates(answers)),
        p50=percentile(recent, 0.5),
        p99=percentile(recent, 0.99),
        fallbacks=recent.fallbacks / recent.answers if recent.answers else None,
        errors=recent.errors,
        answered=history.last_growth(answers),
    )

"""Endpoint types as measured: what they are, how many answers they give and how fast. No I/O."""

from __future__ import annotations

from dataclasses import dataclass

from serving.measurements.history import History
from serving.measurements.latency import between, percentile
from serving.measurements.sample import AnswerCounts, Failure, Sample

WINDOW = 60.0
"""Seconds of answers that latency percentiles, fallbacks and errors are taken over."""

FAILING = 0.01
"""Part of the requests of that time from which on somebody should look at the failures."""

NOTHING = AnswerCounts()


@dataclass(frozen=True, slots=True)
class ImplementationFacts:
    """One implementation as loaded: content hash, when (seconds since the epoch), the titles of the storages it reads,
    and, if its newest saved version was refused, why (the version before keeps answering). `out` is since when it is
    out of rotation, as it kept failing; `fault` is why it could not answer when it was last asked."""

    name: str
    hash: str = ""
    loaded: float | None = None
    reads: tuple[str, ...] = ()
    error: str | None = None
    source: str | None = None
    out: float | None = None
    fault: str | None = None


@dataclass(frozen=True, slots=True)
class EndpointFacts:
    """One endpoint type as it is served now. `name` has the version from the second on; `deadline` is in seconds;
    `experiments` run on it, `ordinary` names the implementation that answers for everybody else; `fallback` names an
    implementation, `last_good` is how old a last good answer may be in seconds, `default` says whether there is a
    default answer; `errors` are failures to load its files."""

    name: str
    deadline: float
    implementations: tuple[ImplementationFacts, ...] = ()
    experiments: tuple[str, ...] = ()
    fallback: str | None = None
    last_good: float | None = None
    default: bool = False
    errors: tuple[str, ...] = ()
    ordinary: str | None = None

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

    @property
    def faults(self) -> tuple[str, ...]:
        """Why implementations could not answer when they were last asked, one sentence each."""
        return tuple(f"{item.name}: {item.fault}" for item in self.implementations if item.fault)


@dataclass(frozen=True, slots=True)
class DeployedFacts:
    """A product that was deployed, as this service stands to it: `live`, `waiting`, `loading`, `failed` or
    `undeployed`, and why; the beginning of its hash, who changed it last and when (ISO 8601)."""

    name: str
    state: str
    problem: str = ""
    version: str = ""
    at: str = ""
    by: str = ""


@dataclass(frozen=True, slots=True)
class EndpointFigures:
    """What one endpoint type did. Rates per second, latencies in seconds; None where nothing was answered or measured.
    `total` counts since the service started; `answered` is when the last answer was given, as far back as is kept;
    `failures` are those of the last minute, the most frequent first; `failing` says that they are many; `recent` is the
    last minute as counted, with its latency histogram."""

    facts: EndpointFacts
    total: int
    rate: float | None
    rates: tuple[float, ...]
    p50: float | None
    p99: float | None
    fallbacks: float | None
    errors: int
    answered: float | None
    failures: tuple[tuple[Failure, int], ...] = ()
    failing: bool = False
    recent: AnswerCounts = NOTHING

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
        failures=tuple(sorted(((key, count) for key, count in recent.failures.items() if count), key=_most_first)),
        failing=recent.fallbacks + recent.errors > FAILING * (recent.answers + recent.errors),
        recent=recent,
    )


def _most_first(failure: tuple[Failure, int]) -> tuple[int, Failure]:
    return -failure[1], failure[0]

"""Topics as measured: what arrives on each, how much the log holds, when the newest came. No I/O."""

from __future__ import annotations

from dataclasses import dataclass

from serving.measurements.history import History
from serving.measurements.sample import Sample
from streams.retention import Retention

DEAD_LETTERS = "-dead-letters"


@dataclass(frozen=True, slots=True)
class TopicFigures:
    """One topic. `rate` is events per second; `held` is how many the log holds, `taken` how many it ever took;
    `arrived` is when the newest came (seconds since the epoch), None if none did within the samples kept; `dead` counts
    its dead letters, None where it has no topic for them. `keeps` is how long it keeps events, None while not known.
    """

    name: str
    partitions: int
    rate: float | None
    rates: tuple[float, ...]
    held: int
    taken: int
    arrived: float | None
    dead: int | None
    keeps: Retention | None = None


def figures(history: History) -> list[TopicFigures]:
    """Every topic of the newest ends that is not a topic of dead letters, by name; empty while Kafka never answered."""
    sample = history.last(lambda sample: sample.ends)
    ends = (sample.ends or {}) if sample else {}
    names = sorted({topic for topic, _ in ends if not topic.endswith(DEAD_LETTERS)})
    return [_topic(name, history, sample, fresh=sample is history.newest) for name in names if sample]


def _topic(name: str, history: History, sample: Sample, fresh: bool) -> TopicFigures:
    ends = sample.ends or {}
    mine = [end for (topic, _), end in ends.items() if topic == name]
    dead = [high - low for (topic, _), (low, high) in ends.items() if topic == name + DEAD_LETTERS]

    def taken(of: Sample) -> float | None:
        highs = [high for (topic, _), (_, high) in (of.ends or {}).items() if topic == name]
        return sum(highs) if highs else None

    return TopicFigures(
        name=name,
        partitions=len(mine),
        rate=history.rate(taken) if fresh else None,
        rates=tuple(history.rates(taken)),
        held=sum(high - low for low, high in mine),
        taken=sum(high for _, high in mine),
        arrived=history.last_growth(taken),
        dead=sum(dead) if dead else None,
        keeps=sample.retentions.get(name),
    )

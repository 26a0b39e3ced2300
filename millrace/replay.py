"""Replays a data set as live events: at a given rate, or as fast as the learners keep up."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from millrace.lag import Lag, LagMeter
from schemas import Event
from streams import Producer

SAMPLE = 0.25
"""Seconds between two looks at the lag."""


@dataclass(frozen=True)
class Progress:
    """How far a replay is: events emitted, events per second since its start, and the learners' lag."""

    emitted: int
    rate: float
    lag: Lag


def replay(
    events: Iterable[Event], producer: Producer, meter: LagMeter, rate: float | None = None, most_behind: int = 1000
) -> Iterator[Progress]:
    """Emit the events in their order and report about four times a second. Blocks while it waits.

    Args:
        rate: events per second; None means as fast as the learners keep up.
        most_behind: how many events the learners may be behind before a replay without a rate waits for them, so that
            a click made meanwhile is still learned at once.
    """
    start = looked = time.monotonic()
    emitted = 0
    for event in events:
        producer.emit(event)
        emitted += 1
        if rate is not None:
            _sleep_until(start + emitted / rate)
        elif emitted % most_behind == 0:
            producer.flush()
            while (lag := meter.measure()).events > most_behind:
                if time.monotonic() - looked >= SAMPLE:
                    looked = time.monotonic()
                    yield Progress(emitted, emitted / (looked - start), lag)
                time.sleep(0.005)
        now = time.monotonic()
        if now - looked >= SAMPLE:
            looked = now
            yield Progress(emitted, emitted / (now - start), meter.measure())
    producer.flush()
    yield Progress(emitted, emitted / max(time.monotonic() - start, 1e-9), meter.measure())


def _sleep_until(moment: float) -> None:
    wait = moment - time.monotonic()
    if wait > 0.001:
        time.sleep(wait)

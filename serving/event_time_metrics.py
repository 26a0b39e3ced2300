"""Watermarks and late events in Prometheus' text format. No I/O."""

from __future__ import annotations

from collections.abc import Iterator

from schemas.exposition import head
from serving.measurements import Flow
from storage.event_times import UnitTime


def event_time_text(flow: Flow | None) -> str:
    """Of each unit whose learner says what is late, by the newest sample; nothing before the first."""
    return "" if flow is None else "".join(line + "\n" for line in _lines(flow))


def _lines(flow: Flow) -> Iterator[str]:
    words = "Event time before which a unit's events are late, in seconds since 1970."
    yield from head("millrace_watermark_seconds", "gauge", words)
    for time in flow.event_times:
        if time.watermark_ms is not None:
            yield f"millrace_watermark_seconds{{{_labels(time)}}} {time.watermark_ms / 1000}"
    yield from head("millrace_late_events_total", "counter", "Events that came before the watermark of their unit.")
    for time in flow.event_times:
        yield f"millrace_late_events_total{{{_labels(time)}}} {time.late}"


def _labels(time: UnitTime) -> str:
    unit = time.unit
    return f'learner="{unit.learner}",topic="{unit.topic}",partition="{unit.partition}"'

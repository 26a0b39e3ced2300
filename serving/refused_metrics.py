"""What was refused, in Prometheus' text format: dead letters by topic, and units that stand still. No I/O."""

from __future__ import annotations

from collections.abc import Iterator

from serving.measurements import Flow
from serving.measurements.topics import DEAD_LETTERS


def refused_text(flow: Flow | None) -> str:
    """Everything that is known by the newest sample; nothing before the first."""
    return "" if flow is None else "".join(line + "\n" for line in _lines(flow))


def _lines(flow: Flow) -> Iterator[str]:
    dead = {
        topic.removesuffix(DEAD_LETTERS): ends for (topic, _), ends in flow.ends.items() if topic.endswith(DEAD_LETTERS)
    }
    yield "# HELP millrace_dead_letters Events that were refused and are kept."
    yield "# TYPE millrace_dead_letters gauge"
    for topic, (low, high) in sorted(dead.items()):
        yield f'millrace_dead_letters{{topic="{topic}"}} {high - low}'
    yield "# HELP millrace_dead_letters_total Events that were refused and kept, ever."
    yield "# TYPE millrace_dead_letters_total counter"
    for topic, (_, high) in sorted(dead.items()):
        yield f'millrace_dead_letters_total{{topic="{topic}"}} {high}'
    yield "# HELP millrace_units_stopped Units of learners that stand still."
    yield "# TYPE millrace_units_stopped gauge"
    for stop in flow.stops:
        labels = f'learner="{stop.reader}",topic="{stop.topic}",partition="{stop.partition}"'
        yield f"millrace_units_stopped{{{labels}}} 1"

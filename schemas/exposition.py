"""Prometheus' text format 0.0.4, as services and workers write it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

MEDIA_TYPE = "text/plain; version=0.0.4; charset=utf-8"


def head(name: str, kind: str, words: str) -> Iterator[str]:
    """What it says of a metric before its values."""
    yield f"# HELP {name} {words}"
    yield f"# TYPE {name} {kind}"


def metric(name: str, kind: str, words: str, values: Iterable[tuple[str, float | int]]) -> Iterator[str]:
    """One metric whole.

    Args:
        values: each with its labels, `topic="clicks"`; "" = it has none.
    """
    yield from head(name, kind, words)
    for labels, value in values:
        yield f"{name}{{{labels}}} {value}" if labels else f"{name} {value}"

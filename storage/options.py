"""What each format's options are in a descriptor, checked: any program may have written it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from storage.entry import TEXT, Rule, checked, integer

Metric = Literal["cosine", "dot", "euclidean"]
METRICS: tuple[Metric, ...] = ("cosine", "dot", "euclidean")
"""What makes two vectors near."""
Merge = Literal["average", "sum", "ensemble"]
MERGES: tuple[Merge, ...] = ("average", "sum", "ensemble")
"""How the models of several units become one."""


def one_of(*choices: str) -> Rule:
    """One of these texts."""
    return Rule(f"one of {', '.join(choices)}", lambda value: value in choices)


NAMES = Rule("a list of texts", lambda value: isinstance(value, list) and bool(value) and all(map(TEXT.fits, value)))
_WINDOWS = {"window_ms": integer(1), "window_every_ms": integer(1), "retention_ms": integer(0)}
_RULES: Mapping[str, Mapping[str, Rule]] = {
    "counters": _WINDOWS,
    "ranking": {"half_life_ms": integer(1).or_null(), "size": integer(1).or_null(), **_WINDOWS},
    "vectors": {"dimensions": integer(1), "metric": one_of(*METRICS), "index": one_of("vector").or_null()},
    "documents": {"fields": NAMES, "index": one_of("text").or_null()},
    "parameters": {"merge": one_of(*MERGES)},
}
_OPTIONAL = ("half_life_ms", "size", "index", *_WINDOWS)


def must_be(format: str, options: Mapping[str, Any]) -> None:
    """Raise EntryDamaged where these are no options of a format; what a later release may have added is no damage."""
    checked(options, _RULES.get(format, {}), _OPTIONAL, within="options.")

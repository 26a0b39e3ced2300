"""One storage in the words of the Storages page: its versions, what may be done with them, and a row. No I/O."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from serving.console import wording
from serving.measurements import Flow, StorageFigures
from storage.retention import Retention, kept_until
from storage.versions import earlier

NUMBERS = 32
"""So many numbers of a vector are shown."""


@dataclass(frozen=True, slots=True)
class VersionWords:
    """One version as the list of versions shows it. `ask` is what can be done with it: "switch", "rollback" or ""."""

    figures: StorageFigures
    state: str
    text: str
    ask: str = ""

    @property
    def number(self) -> int:
        """The version."""
        return self.figures.descriptor.version


@dataclass(frozen=True, slots=True)
class RowWords:
    """A row as a table. `share` is each line's part of the largest, where that means something; `more` is how many
    lines there are beyond these."""

    columns: tuple[str, ...]
    lines: Sequence[tuple[str, ...]]
    share: Sequence[float] = ()
    more: int = 0


def whole(text: str) -> int:
    """A number from a form or an address; 0 where the text is none, or has more digits than any that is meant."""
    return int(text) if text.isdecimal() and len(text) <= 15 else 0


def by_place(flow: Flow) -> dict[tuple[str, str, str], list[StorageFigures]]:
    """The versions of each storage, newest first."""
    found: dict[tuple[str, str, str], list[StorageFigures]] = {}
    for item in sorted((*flow.storages, *flow.superseded), key=lambda item: -item.descriptor.version):
        found.setdefault(item.place, []).append(item)
    return found


def shown(every: Sequence[StorageFigures]) -> StorageFigures:
    """The version that stands for a storage in a list: the one that readers get, or the newest."""
    return next((item for item in every if item.named), every[0])


def versions(every: Sequence[StorageFigures], retention: Retention) -> list[VersionWords]:
    """All versions of one storage, newest first."""
    descriptors = [item.descriptor for item in every]
    alias = every[0].alias
    back = None if alias is None else earlier(alias, descriptors)
    return [_version(item, back, kept_until(item.descriptor, alias, descriptors, retention)) for item in every]


def _version(item: StorageFigures, back: int | None, until: int | None) -> VersionWords:
    descriptor, alias = item.descriptor, item.alias
    if descriptor.state == "filling":
        return VersionWords(item, "busy", "filling", "filling")
    if descriptor.state in ("leaving", "deleting"):
        return VersionWords(item, "busy", "being deleted")
    if alias is None:
        return VersionWords(item, "off", "not read", "switch")
    if item.named:
        since = "read since" if item.readings else "current since"
        return VersionWords(item, "ok", f"{since} {wording.day(alias.since_ms / 1000)}")
    if descriptor.version > alias.newest and descriptor.topic:
        waiting = f", {wording.plural(item.behind.events, 'event')} to fold" if item.behind else ""
        return VersionWords(item, "busy", f"catching up{waiting}", "switch")
    if descriptor.version > alias.version:
        return VersionWords(item, "off", "rolled back" if descriptor.version <= alias.newest else "not read", "switch")
    kept = "kept" if until is None else f"kept until {wording.day(until / 1000)}"
    return VersionWords(item, "off", kept, "rollback" if descriptor.version == back else "switch")


def row(format: str, value: Any) -> RowWords:
    """A row's value, as `browsing.row` gives it."""
    if format == "ranking":
        return _ranking(value)
    if isinstance(value, Mapping):
        return RowWords(("Field", "Value"), [(name, _text(one)) for name, one in value.items()])
    lines = [(str(place), _text(one)) for place, one in enumerate(value[:NUMBERS])]
    return RowWords(("Place", "Value"), lines, more=max(0, len(value) - NUMBERS))


def _ranking(value: Sequence[Mapping[str, Any]]) -> RowWords:
    top = value[0]["score"]
    share = [one["score"] / top for one in value] if top > 0 else []
    lines = [(str(rank), one["member"], wording.number(one["score"])) for rank, one in enumerate(value, start=1)]
    return RowWords(("Rank", "Member", "Score"), lines, share)


def _text(value: Any) -> str:
    if isinstance(value, float):
        return wording.number(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return wording.count(value)
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


def readers(readings: Iterable[Mapping[str, Sequence[str]]]) -> str:
    """Who reads, in one line: `recommend (popular_now, personal), similar (near)`; empty where nobody does."""
    found: dict[str, list[str]] = {}
    for reading in readings:
        for endpoint, names in reading.items():
            found[endpoint] = list(dict.fromkeys([*found.get(endpoint, []), *names]))
    return ", ".join(f"{endpoint} ({', '.join(names)})" for endpoint, names in found.items())

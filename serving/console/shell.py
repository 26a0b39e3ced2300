"""Renders pages inside the console's frame, whole for a request and in parts for the live stream."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from jinja2 import Environment, Template

from serving.console import charts, wording
from serving.console.notes import note
from serving.console.page import Page
from serving.measurements import Flow, Measurements
from serving.page_templates import page_templates

STATIC = Path(__file__).parent / "static"
AT = "/console"
"""Where the console is mounted."""

LIVE = "live_"
"""A template block with this prefix is a part of the page that the stream keeps up to date."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the rail: a page and its most urgent count, with the state that colours it."""

    path: str
    title: str
    count: str = ""
    state: str = ""


class Shell:
    """The frame of every page: rail, connections, theme, live parts."""

    def __init__(self, measurements: Measurements, pages: Sequence[Page]) -> None:
        self.measurements = measurements
        self.pages = tuple(pages)
        self._environment = environment()

    async def page(
        self, page: Page, query: Mapping[str, str], base: str, prepared: Mapping[str, Any] | None = None
    ) -> str:
        """The whole page.

        Args:
            base: the address that the console is mounted at.
            prepared: values that win over what the page prepares.
        """
        values = self._values(page, query) | {"search": urlencode(query)}
        if page.prepare is not None:
            values |= await page.prepare(self.measurements, query)
        values |= {"base": base, "root": base.removesuffix(AT), **(prepared or {})}
        return self._template(page).render(values)

    def parts(self, page: Page, query: Mapping[str, str], base: str) -> Iterator[tuple[str, str]]:
        """The live parts of a page, name and HTML, each rendered when it is asked for, all from the same sample."""
        template = self._template(page)
        values = self._values(page, query) | {"base": base, "root": base.removesuffix(AT), "search": ""}
        context = template.new_context(values)
        blocks = self._environment.get_template("shell.html").blocks | template.blocks
        for name, block in blocks.items():
            if name.startswith(LIVE):
                yield name.removeprefix(LIVE), "".join(block(context)).strip()

    def _template(self, page: Page) -> Template:
        if isinstance(page.template, Path):
            return self._environment.from_string(page.template.read_text("utf-8"))
        return self._environment.get_template(page.template)

    def _values(self, page: Page, query: Mapping[str, str]) -> dict[str, Any]:
        flow = self.measurements.flow()
        values: dict[str, Any] = {
            "page": page,
            "entries": [_entry(item, flow, self.measurements) for item in self.pages],
            "products": {item.path for item in self.pages if item.product},
            "connections": flow.connections if flow else (),
            "now": flow.at if flow else time.time(),
            "clock": wording.clock(self.measurements.at) if self.measurements.at else "",
            "status": "",
            "reader": "",
            "note": None,
        }
        values |= page.context(self.measurements, query)
        if values["note"]:
            values["status"] = values["note"].status
        return values


@cache
def environment() -> Environment:
    """The console's templates, compiled when the first console is made, not while its first reader and others wait."""
    found = page_templates("serving.console")
    found.globals.update(words=wording, spark=charts.sparkline, share=charts.share, version=_version())
    for name in found.list_templates():
        found.get_template(name)
    return found


def _entry(page: Page, flow: Flow | None, measurements: Measurements) -> Entry:
    if flow is None or page.product:
        return Entry(page.path, page.title)
    if page.path == "flow":
        late = {unit.unit.learner for unit in flow.unusual}
        wrong = note(flow)
        away = wrong is not None and wrong.kind == "bad" and not wrong.link
        if away:
            return Entry(page.path, page.title, "not measured", "bad")
        return Entry(page.path, page.title, f"{len(late)} behind" if late else "", "warn" if late else "")
    if page.path == "streams":
        dead = sum(topic.dead or 0 for topic in flow.topics)
        if flow.stops:
            return Entry(page.path, page.title, f"{len(flow.stops)} stopped", "bad")
        return Entry(page.path, page.title, f"{wording.short_count(dead)} refused" if dead else "")
    if page.path in ("schemas", "jobs", "backtests"):
        return Entry(page.path, page.title)
    if page.path == "storages":
        return Entry(page.path, page.title, wording.count(len(flow.storages)))
    if page.path == "endpoints":
        refused = sum(bool(item.facts.refusals) for item in flow.endpoints)
        failing = sum(item.failing for item in flow.endpoints)
        shown = f"{refused} refused" if refused else f"{failing} failing" if failing else ""
        state = "bad" if refused else "warn" if failing else ""
        return Entry(page.path, page.title, shown or wording.count(len(flow.endpoints)), state)
    running = sum(len(item.facts.experiments) for item in flow.endpoints)
    return Entry(page.path, page.title, f"{running} running" if running else "none")


def _version() -> str:
    """A short hash of the static files, so that a browser never mixes two versions of them."""
    digest = hashlib.sha256()
    for path in sorted(STATIC.iterdir()):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:12]

"""A page of the console: its place, its template, and what it shows."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from serving.measurements import Measurements

Context = Callable[[Measurements, Mapping[str, str]], dict[str, Any]]
"""Computes a page's values from the measurements and the query of its address; must not block."""


Prepare = Callable[[Measurements, Mapping[str, str]], Awaitable[dict[str, Any]]]
"""Asks for what only a whole page shows, once per request; what it returns is added to the values."""
Act = Callable[[Mapping[str, str]], Awaitable["Done"]]
"""Does what a page's form asks for."""


@dataclass(frozen=True)
class Done:
    """What became of a form: where to go on, or the page to be shown once more with what was wrong.

    Attributes:
        query: of the page that follows.
        status: 303 = it was done.
        prepared: what is added to the page's values where it was not.
    """

    query: Mapping[str, str]
    status: int = 303
    prepared: Mapping[str, Any] | None = None


class ProductPage(Protocol):
    """A page that a data product brings: `template` extends "page.html", `script` is served beside it.

    It gets its figures through the service's public HTTP only, so it is given nothing but the shell."""

    @property
    def path(self) -> str: ...
    @property
    def title(self) -> str: ...
    @property
    def template(self) -> Path: ...
    @property
    def script(self) -> Path | None: ...


@dataclass(frozen=True)
class Page:
    """One page. `template` is a name among the console's own templates, or the file of a product."""

    path: str
    title: str
    template: str | Path
    context: Context
    script: Path | None = None
    prepare: Prepare | None = None
    act: Act | None = None

    @classmethod
    def of(cls, page: ProductPage) -> Page:
        """The page of a data product."""
        return cls(page.path, page.title, page.template, lambda measurements, query: {}, page.script)

    @property
    def product(self) -> bool:
        """Whether a data product brought it."""
        return isinstance(self.template, Path)

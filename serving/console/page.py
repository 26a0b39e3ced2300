"""A page of the console: its place, its template, and what it shows."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from serving.measurements import Measurements

Context = Callable[[Measurements, Mapping[str, str]], dict[str, Any]]
"""Computes a page's values from the measurements and the query of its address; must not block."""


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

    @classmethod
    def of(cls, page: ProductPage) -> Page:
        """The page of a data product."""
        return cls(page.path, page.title, page.template, lambda measurements, query: {}, page.script)

    @property
    def product(self) -> bool:
        """Whether a data product brought it."""
        return isinstance(self.template, Path)

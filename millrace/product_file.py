"""product.toml: the goals, experiments, sources and pages that a data product declares beside its modules."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from learners import Goal
from millrace.product_modules import ProductError
from millrace.sources.declaration import ExternalSource
from schemas.duration import duration
from serving import Experiment

TABLES = ("goals", "experiments", "sources", "pages", "storages", "topics", "backtest", "skew")
"""The tables that somebody reads."""
LIKE = 0.75
"""How alike a name must be to one of these, from 0 to 1, to be meant for it."""


@dataclass(frozen=True)
class Page:
    """A page that a product brings to the console: its place in the address, title, template and script."""

    path: str
    title: str
    template: Path
    script: Path | None = None


@dataclass(frozen=True)
class ProductFile:
    """What the file of one product declares; nothing, where it has none."""

    goals: Sequence[Goal]
    experiments: Sequence[Experiment]
    sources: Sequence[ExternalSource]
    pages: Sequence[Page]
    options: Mapping[str, Any]
    """Tables that are not ours to read, such as `[backtest]`."""

    @classmethod
    def read(cls, folder: Path) -> ProductFile:
        """The file in this folder.

        Raises:
            ProductError: it is wrong; the message names the table and what is wrong in it.
        """
        options = _options(folder)
        goals = [_goal(folder, key, value) for key, value in _tables(options, "goals", folder)]
        experiments = [_experiment(folder, key, value) for key, value in _tables(options, "experiments", folder)]
        sources = [_source(folder, key, value) for key, value in _tables(options, "sources", folder)]
        _check_goals(folder, goals, experiments)
        pages = list(_pages(options, folder))
        _check_tables(folder, options)
        return cls(goals, experiments, sources, pages, options)


def _options(folder: Path) -> dict[str, Any]:
    file = folder / "product.toml"
    if not file.exists():
        return {}
    try:
        return tomllib.loads(file.read_text("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ProductError(f"{file} is not valid TOML: {error}.") from error


def _tables(options: dict[str, Any], name: str, folder: Path) -> list[tuple[str, Mapping[str, Any]]]:
    """The tables `[name.<key>]`, taken out of the options."""
    found = options.pop(name, {})
    if not isinstance(found, dict) or not all(isinstance(item, dict) for item in found.values()):
        raise ProductError(f"{name} in {folder / 'product.toml'} is no table of tables; write [{name}.<a name>].")
    return list(found.items())


def _check_tables(folder: Path, options: Mapping[str, Any]) -> None:
    """Refuse a table whose name is nearly one of ours: nobody would read it. Others may be the product's own."""
    for name in options:
        if name not in TABLES and (meant := get_close_matches(name, TABLES, 1, LIKE)):
            raise ProductError(f"Nobody reads [{name}] in {folder / 'product.toml'}; did you mean [{meant[0]}]?")


def _check_goals(folder: Path, goals: Sequence[Goal], experiments: Sequence[Experiment]) -> None:
    known = [goal.name for goal in goals]
    for experiment in experiments:
        if not experiment.shadow and experiment.goal not in known:
            raise ProductError(
                f"[experiments.{experiment.name}] in {folder / 'product.toml'} counts the goal {experiment.goal!r}, "
                f"which is not declared; there are: {', '.join(known) or 'none'}."
            )


def _only(table: Mapping[str, Any], *names: str) -> None:
    """Refuse what nobody reads: a name with a slip in it would change nothing, without a word."""
    unknown = [name for name in table if name not in names]
    if unknown:
        raise ValueError(f"nobody reads {unknown[0]!r}; there are {', '.join(names)}")


def _goal(folder: Path, name: str, table: Mapping[str, Any]) -> Goal:
    try:
        _only(table, "topic", "decision", "window", "first", "where", "version")
        return Goal(
            name=name,
            topic=table["topic"],
            decision=table.get("decision", "decision"),
            window=duration(table.get("window", "30m")),
            first=table.get("first", True),
            where=table.get("where"),
            version=table.get("version", 1),
        )
    except _WRONG as error:
        raise _wrong(f"[goals.{name}]", folder, error) from error


def _experiment(folder: Path, name: str, table: Mapping[str, Any]) -> Experiment:
    try:
        _only(table, "endpoint", "split", "goal", "ramp", "layer", "draft", "shadow", "period")
        needed = {"endpoint": table["endpoint"], "split": table["split"]}
        if not table.get("shadow"):
            needed["goal"] = table["goal"]
        if "period" in table:
            needed["period"] = duration(table["period"])
        return Experiment(name=name, **{**table, **needed})
    except _WRONG as error:
        raise _wrong(f"[experiments.{name}]", folder, error) from error


def _source(folder: Path, name: str, table: Mapping[str, Any]) -> ExternalSource:
    try:
        _only(table, *(item.name for item in fields(ExternalSource) if item.name != "name"))
        changed = dict(table)
        if isinstance(table.get("key"), str):
            changed["key"] = [table["key"]]
        changed |= {part: duration(table[part]) for part in ("keep", "timeout") if part in table}
        return ExternalSource(name, **changed)
    except _WRONG as error:
        raise _wrong(f"[sources.{name}]", folder, error) from error


def _pages(options: dict[str, Any], folder: Path) -> Iterator[Page]:
    try:
        for table in options.pop("pages", []):
            script = table.get("script")
            yield Page(table["path"], table["title"], folder / table["template"], folder / script if script else None)
    except _WRONG as error:
        raise _wrong("[[pages]]", folder, error) from error


_WRONG = (KeyError, ValueError, TypeError, AttributeError)


def _wrong(table: str, folder: Path, error: Exception) -> ProductError:
    problem = f"lacks {error}" if isinstance(error, KeyError) else f"is wrong: {error}"
    return ProductError(f"{table} in {folder / 'product.toml'} {problem}.")

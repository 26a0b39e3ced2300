"""A data product: a folder with event types, learners, endpoint types, goals, sources and pages, loaded by name.

A product is imported as `millrace_products.<folder name>`, never through `sys.path`, so that a team's `learners.py`
cannot shadow a package of ours; its modules import each other relatively (`from .events import Click`).
"""

from __future__ import annotations

import importlib
import importlib.abc
import importlib.machinery
import sys
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from types import ModuleType
from typing import Any

from learners import EventLearner, FrameLearner, Goal, Learner
from learners.declaration import emits_of
from millrace.constants import Constants, with_constants
from millrace.sources.declaration import ExternalSource
from schemas import Event, EventType, Record, load
from schemas.duration import duration
from schemas.errors import MillraceError
from serving import EndpointType, Experiment
from serving.checking import one_line

ROOT = "millrace_products"
PARTS = ("events", "learners", "endpoints")


class ProductError(MillraceError):
    """A data product cannot be loaded; the message names the folder, the file and what is wrong."""


class ProductEmpty(ProductError):
    """A folder has nothing of a data product."""


@dataclass(frozen=True)
class Page:
    """A page that a product brings to the console: its place in the address, title, template and script."""

    path: str
    title: str
    template: Path
    script: Path | None = None


@dataclass(frozen=True)
class Product:
    """What one folder declares. Plain values and classes: loading opens no connection."""

    name: str
    folder: Path
    event_types: Mapping[str, EventType]
    learners: Sequence[type[Learner]]
    endpoints: Sequence[EndpointType[Any, Any]]
    goals: Sequence[Goal] = ()
    experiments: Sequence[Experiment] = ()
    pages: Sequence[Page] = ()
    sources: Sequence[ExternalSource] = ()
    options: Mapping[str, Any] = field(default_factory=dict)
    """Tables of product.toml that are not ours to read, such as `[backtest]`."""

    @classmethod
    def load(cls, folder: Path, constants: Constants | None = None) -> Product:
        """Import the folder's modules afresh and collect what they declare.

        A product loaded earlier under this name keeps working: its modules are replaced only for later imports. If
        the import fails the earlier modules stay in place.

        Args:
            constants: of its modules, with the values that they have instead of their own.

        Raises:
            ProductEmpty: there is nothing in the folder that we know.
            ProductError: the folder is missing, product.toml is wrong, a module fails to import, or no module,
                or more than one, has such a constant.
        """
        folder = folder.resolve()
        if not folder.is_dir():
            raise ProductError(f"There is no folder {folder}; name the folder of a data product.")
        name = folder.name
        if not name.isidentifier():
            raise ProductError(f"The product folder {folder} needs a name that is a Python identifier; rename it.")
        options = _options(folder)
        modules = _import(name, folder, constants or {})
        if not modules and not list((folder / "events").glob("*.avsc")) and not options.get("sources"):
            raise ProductEmpty(f"{folder} holds no {', '.join(part + '.py' for part in PARTS)}; it is no data product.")
        event_types = _by_topic(_event_types(name, folder, modules))
        goals = [_goal(folder, key, value) for key, value in _tables(options, "goals", folder)]
        experiments = [_experiment(folder, key, value) for key, value in _tables(options, "experiments", folder)]
        sources = [_source(folder, key, value) for key, value in _tables(options, "sources", folder)]
        _check_goals(folder, goals, experiments)
        _check_sources(folder, sources, event_types)
        return cls(
            name=name,
            folder=folder,
            event_types=event_types,
            learners=list(_learners(name, modules)),
            endpoints=[item for module in modules for item in vars(module).values() if isinstance(item, EndpointType)],
            goals=goals,
            experiments=experiments,
            pages=list(_pages(options, folder)),
            sources=sources,
            options=options,
        )

    def endpoint(self, title: str) -> EndpointType[Any, Any]:
        """The endpoint type of this title. Raises ProductError where there is none."""
        for item in self.endpoints:
            if item.title == title:
                return item
        known = ", ".join(item.title for item in self.endpoints) or "none"
        raise ProductError(f"{self.folder} has no endpoint type {title!r}; it has {known}.")

    def module(self, name: str) -> ModuleType:
        """A further module of this product, such as `dataset`; imported on demand.

        Raises:
            ProductError: there is no such module.
        """
        _finder()
        try:
            return importlib.import_module(f"{ROOT}.{self.name}.{name}")
        except ModuleNotFoundError as error:
            if error.name != f"{ROOT}.{self.name}.{name}":
                raise
            raise ProductError(f"The product {self.name} has no {name}.py in {self.folder}.") from error

    def events(self, **options: Any) -> Iterator[Event]:
        """The events of the product's data set; `options` are those of the function `events` in its `dataset.py`.

        Raises:
            ProductError: there is none; the message says what to write.
        """
        try:
            events = getattr(self.module("dataset"), "events", None)
        except ProductError:
            events = None
        if events is None:
            emitted = {item.topic for learner in self.learners for item in emits_of(learner).values()}
            own = [
                item.python.__name__
                for topic, item in self.event_types.items()
                if item.python is not None and topic not in emitted
            ]
            raise ProductError(
                f"{self.name} has no data set. Write {self.folder / 'dataset.py'}, a function `events(shifted=True)` "
                f"that yields {' and '.join(own) or 'events'} in order of time: `millrace check` tries the learners on "
                "them, `millrace replay` emits them and `millrace backtest --from dataset` predicts them at their "
                "original times: shifted=False."
            )
        return iter(events(**options))


def module_of(folder: Path, part: str) -> ModuleType:
    """One module of a product's folder alone, imported afresh; nothing else of the product is.

    Raises:
        ProductError: the folder's name is no Python identifier, or the module does not import.
    """
    folder = folder.resolve()
    if not folder.name.isidentifier():
        raise ProductError(f"The product folder {folder} needs a name that is a Python identifier; rename it.")
    _finder().folders[folder.name] = folder
    name = f"{ROOT}.{folder.name}.{part}"
    sys.modules.pop(name, None)
    importlib.invalidate_caches()
    try:
        return importlib.import_module(name)
    except (Exception, SystemExit) as error:
        why = one_line(error, lambda file: file.startswith(str(folder)))
        raise ProductError(f"{folder / part}.py does not import: {why}") from error


class _Source(importlib.machinery.SourceFileLoader):
    """Reads the source every time: byte code is matched by whole seconds and size, too coarse for a hot reload."""

    def get_code(self, fullname: str) -> Any:
        path = self.get_filename(fullname)
        _, name, *module = fullname.split(".", 2)
        wanted = _installed.constants.get(name)
        if not wanted:
            return self.source_to_code(self.get_data(path), path)
        tree, found = with_constants(self.get_data(path), path, ".".join(module), wanted)
        for key in found:
            _installed.holders.setdefault((name, key), set()).add(fullname)
        return self.source_to_code(tree, path)


class _Finder(importlib.abc.MetaPathFinder):
    """Finds `millrace_products.<name>` in the folder given for it, and modules below it in that folder."""

    def __init__(self) -> None:
        self.folders: dict[str, Path] = {}
        self.constants: dict[str, Constants] = {}
        self.holders: dict[tuple[str, str], set[str]] = {}  # product and constant -> the modules that have it

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        root, _, rest = fullname.partition(".")
        if root != ROOT:
            return None
        if not rest:
            spec = importlib.machinery.ModuleSpec(ROOT, None, is_package=True)
            spec.submodule_search_locations = []
            return spec
        if rest in self.folders:
            return self._package(fullname, self.folders[rest])
        for location in path or ():
            found = importlib.machinery.FileFinder(location, (_Source, [".py"])).find_spec(fullname)
            if found is not None:
                return found
        return None

    def _package(self, fullname: str, folder: Path) -> importlib.machinery.ModuleSpec:
        init = folder / "__init__.py"
        loader = _Source(fullname, str(init)) if init.exists() else None
        spec = importlib.machinery.ModuleSpec(fullname, loader, origin=str(init), is_package=True)
        spec.submodule_search_locations = [str(folder)]
        return spec


_installed = _Finder()


def _finder() -> _Finder:
    if _installed not in sys.meta_path:
        sys.meta_path.insert(0, _installed)
    return _installed


def _import(name: str, folder: Path, constants: Constants) -> list[ModuleType]:
    package, finder = f"{ROOT}.{name}", _finder()
    finder.folders[name], finder.constants[name] = folder, constants
    for key in constants:
        finder.holders[name, key] = set()
    earlier = {
        key: sys.modules.pop(key) for key in list(sys.modules) if key == package or key.startswith(package + ".")
    }
    importlib.invalidate_caches()
    present = [part for part in PARTS if (folder / f"{part}.py").exists() or (folder / part / "__init__.py").exists()]
    try:
        modules = [importlib.import_module(f"{package}.{part}") for part in present]
    except (Exception, SystemExit) as error:
        for key in [key for key in sys.modules if key == package or key.startswith(package + ".")]:
            del sys.modules[key]
        sys.modules.update(earlier)
        why = one_line(error, lambda file: file.startswith(str(folder)))
        raise ProductError(f"{folder} does not import: {why}") from error
    for key in constants:
        holders = sorted(finder.holders[name, key])
        if len(holders) != 1:
            where = f"{len(holders)} modules: {', '.join(holders)}; write module.{key}" if holders else "no module"
            raise ProductError(
                f"{key} is to be set, and is given one value at the top of {where}. Name a constant of {folder}, as "
                "RATE or models.RATE."
            )
    return modules


def _event_types(name: str, folder: Path, modules: Sequence[ModuleType]) -> Iterator[EventType]:
    for path in sorted((folder / "events").glob("*.avsc")):
        yield load(path)
    for item in _classes(name, modules):
        if issubclass(item, Event) and item is not Event:
            yield item.event_type


def _by_topic(event_types: Iterator[EventType]) -> dict[str, EventType]:
    found: dict[str, EventType] = {}
    for item in event_types:
        other = found.setdefault(item.topic, item)
        if other is not item:
            raise ProductError(f"{other.name} and {item.name} are both events of {item.topic}; keep one of them.")
    return found


def _learners(name: str, modules: Sequence[ModuleType]) -> Iterator[type[Learner]]:
    for item in _classes(name, modules):
        if issubclass(item, Learner) and item not in (Learner, FrameLearner, EventLearner):
            yield item


def _classes(name: str, modules: Sequence[ModuleType]) -> Iterator[type[Any]]:
    """Classes that the product itself defines; an imported base class is not one of them."""
    seen: set[type[Any]] = set()
    for module in modules:
        for item in vars(module).values():
            if isinstance(item, type) and item.__module__.startswith(f"{ROOT}.{name}.") and item not in seen:
                seen.add(item)
                if issubclass(item, Record | Learner):
                    yield item


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


def _check_goals(folder: Path, goals: Sequence[Goal], experiments: Sequence[Experiment]) -> None:
    known = [goal.name for goal in goals]
    for experiment in experiments:
        if not experiment.shadow and experiment.goal not in known:
            raise ProductError(
                f"[experiments.{experiment.name}] in {folder / 'product.toml'} counts the goal {experiment.goal!r}, "
                f"which is not declared; there are: {', '.join(known) or 'none'}."
            )


def _check_sources(folder: Path, sources: Sequence[ExternalSource], event_types: Mapping[str, EventType]) -> None:
    for source in sources:
        if source.emit is not None and source.emit not in event_types:
            raise ProductError(
                f"[sources.{source.name}] in {folder / 'product.toml'} emits to {source.emit!r}, which is no event "
                f"type of the product; there are: {', '.join(event_types) or 'none'}."
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

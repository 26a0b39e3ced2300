"""A data product: a folder with event types, learners, endpoint types, goals, sources and pages, loaded by name.

A product is imported as `millrace_products.<folder name>`, never through `sys.path`, so that a team's `learners.py`
cannot shadow a package of ours; its modules import each other relatively (`from .events import Click`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

from learners import EventLearner, FrameLearner, Goal, Learner
from learners.declaration import emits_of, storages_of
from millrace.constants import Constants
from millrace.product_file import Page, ProductFile
from millrace.product_modules import PARTS, ROOT, import_module, import_parts
from millrace.product_modules import ProductError as ProductError
from millrace.sources.declaration import ExternalSource
from schemas import Event, EventType, Record, load
from serving import EndpointType, Experiment


class ProductEmpty(ProductError):
    """A folder has nothing of a data product."""


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
        file = ProductFile.read(folder)
        modules = import_parts(name, folder, constants or {})
        if not modules and not list((folder / "events").glob("*.avsc")) and not file.sources:
            raise ProductEmpty(f"{folder} holds no {', '.join(part + '.py' for part in PARTS)}; it is no data product.")
        event_types = _by_topic(_event_types(name, folder, modules))
        _check_sources(folder, file.sources, event_types)
        return cls(
            name=name,
            folder=folder,
            event_types=event_types,
            learners=list(_learners(name, modules)),
            endpoints=[item for module in modules for item in vars(module).values() if isinstance(item, EndpointType)],
            goals=file.goals,
            experiments=file.experiments,
            pages=file.pages,
            sources=file.sources,
            options=file.options,
        )

    @property
    def learned(self) -> set[str]:
        """The storages that its learners write, as "ranking/popular"."""
        return {form.storage for learner in self.learners for form in storages_of(learner).values()}

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
        return import_module(self.name, self.folder, name)

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


def _check_sources(folder: Path, sources: Sequence[ExternalSource], event_types: Mapping[str, EventType]) -> None:
    for source in sources:
        if source.emit is not None and source.emit not in event_types:
            raise ProductError(
                f"[sources.{source.name}] in {folder / 'product.toml'} emits to {source.emit!r}, which is no event "
                f"type of the product; there are: {', '.join(event_types) or 'none'}."
            )

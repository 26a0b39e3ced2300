"""The modules of a data product, imported as `millrace_products.<folder name>` and never through `sys.path`."""

from __future__ import annotations

import importlib
import importlib.abc
import importlib.machinery
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

from millrace.constants import Constants, with_constants
from schemas.errors import MillraceError
from serving.checking import one_line

ROOT = "millrace_products"
PARTS = ("events", "learners", "endpoints")


class ProductError(MillraceError):
    """A data product cannot be loaded; the message names the folder, the file and what is wrong."""


def import_parts(name: str, folder: Path, constants: Constants) -> list[ModuleType]:
    """The modules that every product may have, of those that are there, imported afresh; see `Product.load`."""
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


def import_module(product: str, folder: Path, name: str) -> ModuleType:
    """A module of a product that was imported, from its folder.

    Raises:
        ProductError: there is no such module.
    """
    _finder()
    try:
        return importlib.import_module(f"{ROOT}.{product}.{name}")
    except ModuleNotFoundError as error:
        if error.name != f"{ROOT}.{product}.{name}":
            raise
        raise ProductError(f"The product {product} has no {name}.py in {folder}.") from error


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

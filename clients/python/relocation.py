"""Builds the wheel of modules that the platform has: `schemas.record` becomes `millrace_client.schemas.record`.

What `millrace_client/` imports of the rooms is followed, module by module, and put below the wheel's own package with
its imports changed to match. So there is one source, and the wheel brings no name but its own into an environment.
"""

from __future__ import annotations

import ast
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

ROOT = Path(__file__).parents[2]
PACKAGE = "millrace_client"
ROOMS = ("schemas", "storage", "streams", "serving", "millrace")
_IMPORT = re.compile(rf"^(\s*from )({'|'.join(ROOMS)})(?=[. ])", re.MULTILINE)


class Relocation(BuildHookInterface):  # type: ignore[type-arg]
    """Hatchling asks it for what goes into the wheel."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Write the moved modules into a folder that lives as long as the build, and name it."""
        self._folder = tempfile.TemporaryDirectory()
        relocate(Path(self._folder.name))
        build_data["force_include"][self._folder.name] = PACKAGE

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        """Remove the folder."""
        self._folder.cleanup()


def relocate(target: Path) -> None:
    """Write the package's modules into `target`."""
    own = Path(__file__).parent / PACKAGE
    sources = {path.relative_to(own): path for path in sorted(own.glob("*.py"))}
    for name in sorted(_closure(sources.values())):
        sources[Path(name.replace(".", "/") + ".py")] = _file(name)
    for place, source in sources.items():
        file = target / place
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(_IMPORT.sub(rf"\1{PACKAGE}.\2", source.read_text("utf-8")), "utf-8")
        if file.parent != target:
            room = f'"""Of Millrace\'s room `{place.parts[0]}`, what a client needs."""\n'
            (file.parent / "__init__.py").write_text(room, "utf-8")
    (target / "py.typed").touch()


def _closure(files: Any) -> set[str]:
    """The rooms' modules that these files import, and those that they import in turn."""
    found: set[str] = set()
    waiting = list(files)
    while waiting:
        for name in _imported(waiting.pop()):
            if name not in found:
                found.add(name)
                waiting.append(_file(name))
    return found


def _imported(file: Path) -> Iterator[str]:
    """Modules of rooms, as `from room.module import name` or `from room import module` has them."""
    for node in ast.walk(ast.parse(file.read_text("utf-8"))):
        if isinstance(node, ast.Import) and any(item.name.split(".")[0] in ROOMS for item in node.names):
            raise ValueError(f"{file} line {node.lineno}: write `from room.module import name`, which can be moved.")
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] in ROOMS:
            if "." in node.module:
                yield node.module
            else:
                yield from (f"{node.module}.{item.name}" for item in node.names)


def _file(name: str) -> Path:
    file = ROOT / (name.replace(".", "/") + ".py")
    if not file.is_file():
        raise ValueError(f"The client's wheel needs {name}, which is no module; import names from their own modules.")
    return file

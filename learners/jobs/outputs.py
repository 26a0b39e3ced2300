"""What a run wrote, loaded: all of its files become versions before any storage's name moves."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, suppress
from pathlib import Path

from learners.jobs.errors import JobFailed
from schemas.errors import MillraceError
from storage import Technology, versions
from storage.loads.descriptor import Given
from storage.loads.load import load
from storage.naming import place

Opened = Callable[[str], AbstractContextManager[Technology]]
"""Opens a technology by its name, and closes it."""


def load_outputs(files: Mapping[str, Path], opened: Opened, made_by: str) -> Iterator[tuple[str, int]]:
    """Load each file into a new version of its storage, as `millrace storages load` does, and then let the names stand
    for them. Blocks. Yields each storage with its rows once its name has moved.

    Raises:
        JobFailed: a file is not there, or not what its storage needs. No name has moved, and what was loaded is erased;
            only where a technology goes away between two of the last moves may some have moved.
    """
    for storage, path in files.items():
        if not path.is_file():
            raise JobFailed(f"It wrote no file {path.name}, which is to be loaded into {storage}.")
    ready: list[tuple[str, Technology, tuple[str, str], int, int]] = []
    with ExitStack() as opening:
        try:
            for storage, path in files.items():
                named = place(storage)
                technology = opening.enter_context(opened(named.technology))
                done = load(technology, named.format, named.name, path, Given(), made_by, switch=False)
                ready.append((storage, technology, done.descriptor.place, done.descriptor.version, done.rows))
        except BaseException as error:
            for _, technology, (format, name), version, _ in ready:
                with suppress(MillraceError):
                    versions.delete(technology, format, name, version)
            if not isinstance(error, MillraceError):
                raise
            raise JobFailed(f"{path.name} was not loaded into {storage}: {error}") from error
        for storage, technology, (format, name), version, rows in ready:
            try:
                versions.switch(technology, format, name, version)
            except MillraceError as error:
                raise JobFailed(
                    f"{storage}@{version} is complete, but its name was not switched to it: {error} Do it by `millrace "
                    f"storages switch {storage}@{version}`."
                ) from error
            yield storage, rows

"""A store that a command needs and does not get: which setting says where it is, and what has set that."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from millrace.settings import Settings
    from storage import Catalogue


@contextmanager
def saying_where(settings: Settings, technology: str, opening: bool = False) -> Iterator[None]:
    """Errors of a store that is away say also what has set its address.

    Args:
        opening: whatever is wrong is wrong with the address.
    """
    from millrace.settings import URL
    from storage.errors import StorageError, StorageUnavailable, UnknownOutcome

    try:
        yield
    except StorageError as error:
        if not opening and not isinstance(error, StorageUnavailable | UnknownOutcome):
            raise
        why = str(error).rstrip(".")
        raise type(error)(f"{why}. {settings.source(technology + URL)}") from error


def must_answer(catalogue: Catalogue, settings: Settings, technologies: Iterable[str]) -> None:
    """Check that these have answered, as `Catalogue.must_answer` does; the error names each that has not, and what has
    set its address."""
    from storage.errors import StorageUnavailable

    problems = []
    for name in technologies:
        try:
            with saying_where(settings, name):
                catalogue.must_answer([name])
        except StorageUnavailable as error:
            problems.append(str(error))
    if problems:
        raise StorageUnavailable(" ".join(problems))


def elsewhere(settings: Settings) -> str:
    """A sentence where a command is likely run in another folder than the one that has the storages: SQLite's usual
    file is in the folder in which a command is run. Empty otherwise."""
    from pathlib import Path

    from millrace.settings import FILE
    from storage.kinds import KINDS

    usual = settings.relational_url == KINDS["relational"].address
    kept = {path.name for path in settings.state_dir.iterdir()} if settings.state_dir.is_dir() else set()
    if not usual or Path(FILE).exists() or kept - {".gitignore", "lock"}:  # those are left by a start that was refused
        return ""
    return (
        f"SQLite has no file in {Path.cwd()}: it is in {settings.state_dir} of the folder in which a command is run. "
        "Go to the one that has yours, or give relational_url its whole path: sqlite:////folder/file."
    )

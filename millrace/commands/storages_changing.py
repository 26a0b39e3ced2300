"""`millrace storages create`, `switch`, `rollback`, `delete` and `collect`: storages and their versions changed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from millrace.commands.me import me
from millrace.commands.output import Output, OutputOption, printable, say, write_json, write_rows
from millrace.commands.span import span_of
from millrace.commands.storages_reading import Name

if TYPE_CHECKING:
    from storage import Alias, Technology
    from storage.naming import Place

app = typer.Typer()
T = TypeVar("T")


@app.command()
def create(
    storage: Annotated[str, typer.Argument(help="technology/format/name, such as redis/ranking/popular.")],
    half_life: Annotated[str | None, typer.Option(help="Ranking: scores are halved with every 6h, 30d, ...")] = None,
    size: Annotated[str | None, typer.Option(help="Ranking: so many members of a row are read at most.")] = None,
    dimensions: Annotated[str | None, typer.Option(help="Vectors: numbers in each.")] = None,
    metric: Annotated[str | None, typer.Option(help="Vectors: cosine, dot or euclidean.")] = None,
    fields: Annotated[str | None, typer.Option(help="Documents: fields to be searched, with commas.")] = None,
    merge: Annotated[str | None, typer.Option(help="Parameters: average, sum or ensemble.")] = None,
    schema: Annotated[Path | None, typer.Option(help="Records: a file with the Avro schema of a row.")] = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """Create a storage, empty. The first learner that declares the same writes it.

    Example: millrace storages create redis/ranking/trending --half-life 30d --size 100
    """
    from schemas import MillraceError
    from storage import versions
    from storage.formats.blank import blank
    from storage.naming import place

    given = {
        "half_life": half_life,
        "size": size,
        "dimensions": dimensions,
        "metric": metric,
        "fields": fields,
        "merge": merge,
    }
    named = place(storage)
    if named.version is not None:
        raise MillraceError(f"A new storage begins with @1; write {named.storage} without @{named.version}.")
    item = blank(*named.whole, given, None if schema is None else _text(schema), _option)
    with opened_technology(named.technology) as technology:
        made = versions.create(technology, item, me())
    if output is Output.JSON:
        write_json(asdict(made))
    else:
        say(f"Created {made.title}, empty.")


def _option(name: str) -> str:
    return f"--{name.replace('_', '-')}"


@app.command()
def switch(name: Annotated[str, typer.Argument(help="Name and version: popular@3.")]) -> None:
    """Let a name stand for another version: its readers get that one from their next read on.

    Example: millrace storages switch popular@3
    """
    from schemas import MillraceError
    from storage import versions

    place = _found(name)
    if place.version is None:
        raise MillraceError(f"Say which version: {place.storage}@3; see `millrace storages versions {name}`.")
    version = place.version
    _say_moved(place, _changed(place, lambda it: versions.switch(it, place.format, place.name, version)))


@app.command()
def rollback(name: Name) -> None:
    """Let a name stand for the ready version before the one that it stands for now. Undo it with `switch`.

    Example: millrace storages rollback popular
    """
    from storage import versions

    place = _found(name)
    _say_moved(place, _changed(place, lambda it: versions.rollback(it, place.format, place.name)))


@app.command()
def delete(
    name: Name,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Also what is read or written now, or unreadable.")] = False,
) -> None:
    """Remove a storage with all versions and rows, or one version of it. Asks for the name, as nothing brings it back.

    An entry that cannot be read is named in full, and removed by force; its rows stay, as nobody knows where they are.

    Example: millrace storages delete redis/ranking/popular@1
    """
    from schemas import MillraceError
    from storage import versions

    if force and _discarded(name):
        say(f"Deleted the entry {name}, which could not be read.")
        return
    place = _found(name)
    if not yes:
        what = place.title if place.version is not None else f"{place.title}, all its versions,"
        say(f"This removes {what} with all rows. Nothing brings them back.")
        if typer.prompt(printable(f"Type {place.name} to go on")) != place.name:
            raise MillraceError(f"That is not {place.name}; nothing was deleted.")
    count = _changed(place, lambda it: versions.delete(it, place.format, place.name, place.version, force))
    say(f"Deleted {place.title}: {count} version{'' if count == 1 else 's'}.")


@app.command()
def collect(
    previous: Annotated[int | None, typer.Option(help="Versions below the one that is read to keep.", min=0)] = None,
    age: Annotated[str | None, typer.Option(help="Remove nothing so soon after a name has moved: 24h.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be removed.")] = False,
    output: OutputOption = Output.TABLE,
) -> None:
    """Remove old versions that nobody reads or writes, and what dead loads have left; without options by the settings.

    Example: millrace storages collect --previous 1 --age 24h --dry-run
    """
    from contextlib import closing

    from millrace.collector import collected, retention_of
    from millrace.platform import Platform
    from millrace.settings import Settings
    from schemas import MillraceError
    from storage.retention import Retention

    rule = retention_of(Settings.load())
    kept = rule.age if age is None else span_of("--age", age)
    rule = Retention(rule.previous if previous is None else previous, kept)
    with closing(Platform(Settings.load())) as platform:
        gone, problems = collected(platform, rule, dry_run)
    rows = [{"storage": item.title, "state": item.state, "created": item.created} for item in gone]
    write_rows(rows, output, "Nothing may go.")
    if problems:
        raise MillraceError(" ".join(problems))


def _found(name: str) -> Place:
    """The storage that a name stands for."""
    import asyncio

    from millrace.commands.storages_reading import found

    async def place() -> Place:
        async with found(name) as (_, place):
            return place

    return asyncio.run(place())


def _discarded(name: str) -> bool:
    """Whether a text named an entry in full that could not be read, and is gone now."""
    from storage import versions

    technology, _, entry = name.partition("/")
    if "/" not in entry:
        return False
    with opened_technology(technology) as opened:
        return versions.discard(opened, entry)


def _changed(place: Place, change: Callable[[Technology], T]) -> T:
    with opened_technology(place.technology) as technology:
        return change(technology)


@contextmanager
def opened_technology(name: str) -> Iterator[Technology]:
    """Where learners write, opened for one command."""
    from contextlib import closing

    from millrace.commands.store import saying_where
    from millrace.platform import Platform
    from millrace.settings import Settings
    from schemas import MillraceError

    settings = Settings.load()
    with closing(Platform(settings)) as platform:
        if name not in platform.technologies:
            raise MillraceError(_not_set_up(name, ", ".join(platform.technologies) or "none"))
        with saying_where(settings, name, opening=True):
            technology = platform.technologies[name]
        with saying_where(settings, name):
            yield technology


def _not_set_up(name: str, there: str) -> str:
    from storage.kinds import settable

    if name == "memory":
        return f"memory lives in one process and ends with it, so that no command reaches it; set up are {there}."
    if name not in settable():
        return f"There is no technology {name!r}; set up are {there}."
    settings = f"{name}_url in millrace.toml, or MILLRACE_{name.upper()}_URL"
    return f"{name} is not set up; set up are {there}. Say where it is: {settings}."


def _say_moved(place: Place, alias: Alias) -> None:
    undo = "" if alias.previous is None else f" To undo it: millrace storages switch {place.storage}@{alias.previous}"
    say(f"{place.storage} stands for @{alias.version} now.{undo}")


def _text(path: Path) -> str:
    from schemas import MillraceError

    try:
        return path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise MillraceError(f"{path} cannot be read as a schema: {error}.") from error

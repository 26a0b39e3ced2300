"""`millrace storages show`, `versions` and `read`: one storage looked at."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer

from millrace.commands.output import Output, OutputOption, say, write_json, write_rows

if TYPE_CHECKING:
    from storage import Catalogue, Descriptor, Reads
    from storage.naming import Place

app = typer.Typer()
Name = Annotated[str, typer.Argument(help="popular, ranking/popular or redis/ranking/popular; also popular@3.")]


@app.command()
def show(name: Name, output: OutputOption = Output.TABLE) -> None:
    """One storage: what it is, its versions, and how far each of its units is.

    Example: millrace storages show redis/ranking/popular
    """
    import asyncio

    async def shown() -> None:
        async with found(name) as (catalogue, place):
            chosen = chosen_version(catalogue, place)
            document = await _document(catalogue, chosen)
        if output is Output.JSON:
            write_json(document)
            return
        facts = {key: value for key, value in document.items() if not isinstance(value, list)}
        write_rows([{"fact": key, "value": _plain(value)} for key, value in facts.items()], output, "")
        for title in ("versions", "positions"):
            say("")
            write_rows(document[title], output, f"It has no {title} yet.")

    asyncio.run(shown())


@app.command()
def versions(name: Name, output: OutputOption = Output.TABLE) -> None:
    """Every version of a storage: which one is read, which ones are kept, loaded or removed.

    Example: millrace storages versions popular --output json
    """
    import asyncio

    async def shown() -> None:
        async with found(name) as (catalogue, place):
            rows = await _versions(catalogue, all_versions(catalogue, place))
        write_rows(rows, output, "")

    asyncio.run(shown())


@app.command()
def read(
    name: Name,
    key: Annotated[str, typer.Argument(help="The row's key.")],
    size: Annotated[
        int, typer.Option(help="So many members of a ranking, or fields of counters.", min=1, max=1_000_000)
    ] = 20,
    output: OutputOption = Output.TABLE,
) -> None:
    """One row by its key, decoded by its format; exit code 1 if there is none.

    Example: millrace storages read popular all --size 5
    """
    import asyncio

    from storage import browsing
    from storage.errors import StorageMissing

    async def shown() -> None:
        async with found(name) as (catalogue, place):
            item = chosen_version(catalogue, place)
            value = await browsing.row(catalogue.reads(item.technology), item, key, size)
        if value is None:
            raise StorageMissing(f"{item.title} has no row {key!r}.")
        if output is Output.JSON:
            write_json({"storage": item.title, "key": key, "value": value})
        else:
            write_rows(_rows(value), output, "")

    asyncio.run(shown())


@asynccontextmanager
async def found(name: str) -> AsyncIterator[tuple[Catalogue, Place]]:
    """The catalogue as it is now, and the one storage that a name stands for.

    Raises:
        StorageMissing: it stands for none, or for several.
        StorageUnavailable: a technology that might hold it does not answer.
    """
    from millrace.commands.store import elsewhere, must_answer, saying_where
    from millrace.platform import Platform
    from millrace.settings import Settings
    from storage.errors import StorageMissing
    from storage.naming import find, technology_of

    settings = Settings.load()
    async with Platform(settings).catalogue() as catalogue:
        await catalogue.refresh()
        technology = technology_of(name)
        must_answer(catalogue, settings, catalogue.health() if technology is None else [technology])
        try:
            place = find(catalogue.storages(), name)
        except StorageMissing as error:
            raise StorageMissing(" ".join(filter(None, [str(error), elsewhere(settings)]))) from error
        with saying_where(settings, place.technology):
            yield catalogue, place


def all_versions(catalogue: Catalogue, place: Place) -> list[Descriptor]:
    """Every version of a storage, oldest first."""
    return [item for item in catalogue.storages() if (item.technology, *item.place) == place.whole]


def chosen_version(catalogue: Catalogue, place: Place) -> Descriptor:
    """The version that was named, or the one that readers get."""
    return catalogue.find(place.format, place.name, place.version, place.technology)


async def counted(count: Awaitable[int | None]) -> int | None:
    """A count, or None where it cannot be had."""
    from storage.errors import StorageError

    try:
        return await count
    except StorageError:
        return None


async def _keys(reads: Reads, item: Descriptor) -> list[str]:
    """Some keys; none where they cannot be had."""
    from storage import browsing
    from storage.errors import StorageError

    try:
        return await browsing.keys(reads, item, 10)
    except StorageError:
        return []


async def _document(catalogue: Catalogue, item: Descriptor) -> dict[str, Any]:
    from storage.clock import moment

    reads, every = catalogue.reads(item.technology), [one for one in catalogue.storages() if one.place == item.place]
    return {
        "storage": item.title,
        "writer": item.writer or None,
        "topic": item.topic or None,
        "made_by": item.made_by or None,
        "created": item.created,
        "options": dict(item.options),
        "schema": item.schema,
        "rows": await counted(reads.count(item)),
        "bytes": await counted(reads.size(item)),
        "keys": ", ".join(await _keys(reads, item)) or None,
        "versions": await _versions(catalogue, [one for one in every if one.technology == item.technology]),
        "positions": [
            {
                "partition": f"{state.unit.topic}/{state.unit.partition}",
                "position": state.next,
                "committed": moment(state.committed_ms),
                "events_up_to": moment(state.watermark_ms),
                "epoch": state.epoch,
            }
            for state in catalogue.states().get(item.title, [])
        ],
    }


async def _versions(catalogue: Catalogue, every: Sequence[Descriptor]) -> list[dict[str, Any]]:
    from storage.clock import moment

    rows = []
    for item in every:
        alias = catalogue.alias(item)
        named = alias is not None and alias.version == item.version
        rows.append(
            {
                "version": f"@{item.version}",
                "state": "read" if named else item.state,
                "since": moment(alias.since_ms) if alias is not None and named else None,
                "rows": await counted(catalogue.reads(item.technology).count(item)),
                "writer": item.writer or None,
                "made_by": item.made_by or None,
                "created": item.created,
            }
        )
    return rows


def _rows(value: Any) -> list[dict[str, Any]]:
    """A row as a table: members, fields, or numbers by their place."""
    if isinstance(value, dict):
        return [{"field": name, "value": _plain(one)} for name, one in value.items()]
    return [one if isinstance(one, dict) else {"place": place, "value": one} for place, one in enumerate(value)]


def _plain(value: Any) -> str:
    import json

    return value if isinstance(value, str) else "—" if value is None else json.dumps(value, default=str)

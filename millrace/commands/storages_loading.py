"""`millrace storages load`: a file becomes a new version of a storage."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from millrace.commands.me import me
from millrace.commands.output import Output, OutputOption, say, write_json

app = typer.Typer()


class Metric(StrEnum):
    """What makes two vectors near."""

    COSINE = "cosine"
    DOT = "dot"
    EUCLIDEAN = "euclidean"


@app.command()
def load(
    storage: Annotated[str, typer.Argument(help="technology/format/name, such as redis/ranking/popular.")],
    file: Annotated[Path, typer.Argument(help="A file in Parquet, Arrow, CSV or NDJSON.")],
    key: Annotated[
        str | None, typer.Option(help="Records, documents: the column with the keys; key if left out.")
    ] = None,
    schema: Annotated[Path | None, typer.Option(help="Records: a file with the Avro schema of a row.")] = None,
    metric: Annotated[Metric | None, typer.Option(help="Vectors: what makes two near; cosine if left out.")] = None,
    keep: Annotated[bool, typer.Option("--keep", help="Load only; the name stands for what it stands for.")] = False,
    output: OutputOption = Output.TABLE,
) -> None:
    """Load a file into a new version of a storage, and let the name stand for it when all of it is there.

    Columns: ranking key, member, score (and at, where scores decay); counters key, field, value; vectors key, vector;
    records and documents a key, and their fields. If anything fails, the name stands for what it stood for before.

    \b
    Example: millrace storages load redis/ranking/popular popular.parquet
    Example: millrace storages load relational/records/users u.csv --key user
    Example: millrace storages load redis/vectors/items items.arrow --metric dot
    """
    from millrace.commands.storages_changing import opened_technology
    from millrace.loading import must_suit, outcome, read_schema, rows_shown, sentence, stopping
    from schemas import MillraceError
    from storage.loads.descriptor import PLAIN_KEY, Given
    from storage.loads.load import load as load_file
    from storage.naming import place

    named = place(storage)
    if named.version is not None:
        raise MillraceError(f"A load makes the next version itself; write {named.storage} without @{named.version}.")
    must_suit(named.format, key=key, schema=schema, metric=metric)
    given = Given(
        key or PLAIN_KEY, None if schema is None else read_schema(schema), None if metric is None else metric.value
    )
    looked_at = rows_shown(file.name, output is Output.TABLE)
    with stopping(), opened_technology(named.technology) as technology, looked_at as seen:
        done = load_file(technology, named.format, named.name, file, given, me(), not keep, seen)
    if output is Output.JSON:
        write_json(outcome(done))
    else:
        say(sentence(done, file))

"""`millrace endpoints check`: what a product's endpoint types would break for those who ask a running service."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from millrace.commands.output import say

if TYPE_CHECKING:
    from serving.json_schema.compatibility import Contract

app = typer.Typer(no_args_is_help=True)


@app.callback()
def _group() -> None:
    """Keeps `check` a command of its own while it is the only one."""


@app.command()
def check(
    folder: Annotated[Path, typer.Argument(help="The data product.")],
    against: Annotated[str | None, typer.Option(help="Address of the service that is asked today.")] = None,
    retire: Annotated[list[str] | None, typer.Option(help="A type or version that may go, as nobody asks it.")] = None,
) -> None:
    """Compare requests and answers with those of the running service; exit code 1 if its callers would fail.

    Example: millrace endpoints check examples/movies --against http://models:18080
    """
    from millrace.product import Product
    from millrace.settings import Settings
    from serving.json_schema.compatibility import breaks

    served = _served((against or Settings.load().service_url).rstrip("/"))
    broken = 0
    for kind in dict.fromkeys(Product.load(folder).endpoints):
        before = served.pop(kind.title, None)
        found = [] if before is None else breaks(before, kind.contract)
        broken += bool(found)
        say(f"{kind.title}: {'new' if before is None else 'would break' if found else 'compatible'}")
        for clause in found:
            say(f"  {clause}")
    for title in served:
        broken += title not in (retire or ())
        say(f"{title}: would be gone" + ("" if title in (retire or ()) else f"; if nobody asks it: --retire {title}"))
    if broken:
        raise typer.Exit(1)


def _served(address: str) -> dict[str, Contract]:
    """What the service at this address answers, by title."""
    from millrace.commands.asking import answer_of
    from schemas.errors import MillraceError
    from serving.json_schema.compatibility import Contract

    otherwise = "Name one that runs: --against URL"
    _, found = answer_of("GET", f"{address}/v1", otherwise)
    try:
        contracts = [
            Contract(item["address"].removeprefix("/v1/"), item["unit"], item["request"], item["response"])
            for item in found["endpoints"]
        ]
    except (AttributeError, KeyError, TypeError) as error:
        raise MillraceError(f"What answers at {address}/v1 lists no endpoint types. {otherwise}") from error
    return {contract.title: contract for contract in contracts}

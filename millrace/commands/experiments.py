"""`millrace experiments`: how they stand and how they do, from the running service. What changes them is in the file
beside it."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

import typer

from millrace.commands import experiments_changing
from millrace.commands.asking import To, asked
from millrace.commands.experiments_changing import Name, address_of
from millrace.commands.output import Output, OutputOption, say, warn, write_rows

app = typer.Typer(no_args_is_help=True)

NONE = (
    "There is no experiment; start one: millrace experiments start recommend popular_now:50 personal:50 --goal GOAL, "
    "or declare one in product.toml under [experiments.<name>]."
)


@app.command("list")
def list_experiments(to: To = None, output: OutputOption = Output.TABLE) -> None:
    """Every experiment: its state, its variants, how much of which layer's traffic is in it, and its last change.

    Example: millrace experiments list --output json
    """
    found = asked("GET", "/v1/experiments", to=to)
    write_rows([_row(item) for item in found["experiments"]], output, NONE)
    for item in found["experiments"]:
        for said in (item["problem"], item["differs"] and f"{item['name']} differs from the code: {item['differs']}."):
            if said:
                warn(said)
    if found["away"]:
        warn(f"Nothing can be changed now: {found['away']}")


@app.command()
def show(
    name: Annotated[str | None, typer.Argument(help="Only this experiment, or those of this endpoint type.")] = None,
    to: To = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """Per variant: its part of the split, its share of the units now, decisions, rewards and reward rate so far.

    Example: millrace experiments show recommend --output json
    """
    from schemas.errors import MillraceError

    found = asked("GET", "/v1/experiments", to=to)
    rows = found["variants"]
    if name is not None:
        known = sorted({row["experiment"] for row in rows})
        rows = [row for row in rows if name in (row["experiment"], row["endpoint"])]
        if not rows and known:
            there = f"there are: {', '.join(known)}. Shadows are in `millrace experiments compare`."
            raise MillraceError(f"No experiment is called {name!r} or on it; {there}")
    write_rows(rows, output, NONE)
    shown = {row["experiment"] for row in rows}
    for item in found["experiments"]:
        if item["name"] in shown and item["split_since"] and output is Output.TABLE:
            since = datetime.fromisoformat(item["split_since"]).astimezone()
            say(f"{item['name']}: the split follows the rewards; these shares hold since {since:%Y-%m-%d %H:%M}.")


@app.command()
def compare(to: To = None, output: OutputOption = Output.TABLE) -> None:
    """Per shadow: answers like those that were given, others, failures, and how long they took, of one replica.

    Example: millrace experiments compare --output json
    """
    found = asked("GET", "/v1/experiments", to=to)["shadows"]
    rows = [
        {
            "shadow": name,
            "same": item["same"],
            "different": item["different"],
            "failed": sum(item["failed"].values()),
            "not_asked": item["skipped"],
            **{key: item[key] for key in ("p50_ms", "given_p50_ms", "p99_ms", "given_p99_ms", "last_different")},
        }
        for name, item in found.items()
    ]
    write_rows(rows, output, "No shadow was asked yet; start one: millrace experiments shadow recommend personal.")


@app.command()
def history(name: Name, to: To = None, output: OutputOption = Output.TABLE) -> None:
    """Who changed an experiment, when, what and why; the oldest first.

    Example: millrace experiments history recommend
    """
    found = asked("GET", address_of(name), to=to)
    rows = [
        {"at": change["at"] or None, "what": f"{change['action']}: {change['what']}", "by": change["by"]}
        | {"note": change["note"] or None}
        for change in found["history"]
    ]
    write_rows(rows, output, f"{name} has no history.")
    if found["left_out"]:
        warn(f"{found['left_out']} older changes are not kept.")


def _row(item: dict[str, Any]) -> dict[str, Any]:
    last = item["history"][-1] if item["history"] else {}
    return {
        "experiment": item["name"],
        "variants": _split(item),
        "state": item["state"] if item["shipped"] is None else f"shipped: {item['shipped']}",
        "endpoint": item["endpoint"],
        "ramp": f"{item['ramp']:g} %",
        "layer": item["layer"],
        "goal": item["goal"],
        "split_since": item["split_since"],
        "changed": last.get("at") or None,
        "by": last.get("by"),
    }


def _split(item: dict[str, Any]) -> str:
    """The parts; where they follow the rewards those of now, in per cent."""
    if item["split_since"] is None:
        return ", ".join(f"{variant['name']}:{variant['part']}" for variant in item["variants"])
    return ", ".join(f"{name}:{100 * share:.4g} %" for name, share in item["shares"].items())


app.registered_commands.extend(experiments_changing.app.registered_commands)

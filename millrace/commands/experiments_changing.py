"""`millrace experiments start`, `ramp`, `ship`, `stop` and `rollback`: all replicas follow within a moment."""

from __future__ import annotations

from typing import Annotated, Any
from urllib.parse import quote

import typer

from millrace.commands.asking import asked
from millrace.commands.me import me
from millrace.commands.output import Output, OutputOption, say, write_json
from millrace.commands.span import span_of

app = typer.Typer()

Name = Annotated[str, typer.Argument(help="The experiment.")]
Note = Annotated[str, typer.Option(help="Why, for the history.")]
Percent = Annotated[float, typer.Argument(help="Per cent of the units, such as 10 or 0.5.")]


@app.command()
def start(
    what: Annotated[str, typer.Argument(help="The endpoint type; without variants an experiment that goes on.")],
    variants: Annotated[
        list[str] | None, typer.Argument(help="Implementation and part, such as personal:50; the first is the control.")
    ] = None,
    goal: Annotated[str | None, typer.Option(help="The goal whose rewards are counted.")] = None,
    name: Annotated[str | None, typer.Option(help="What it is called; the endpoint type's name unless given.")] = None,
    ramp: Annotated[float | None, typer.Option(help="Per cent of the units that are in it.")] = None,
    layer: Annotated[str, typer.Option(help="Experiments of one layer share no unit.")] = "",
    thompson: Annotated[
        str | None, typer.Option(help="Split by the rewards so far, anew after each such period: 1h, 6h, 1d.")
    ] = None,
    draft: Annotated[bool, typer.Option("--draft", help="Only prepare it.")] = False,
    note: Note = "",
    output: OutputOption = Output.TABLE,
) -> None:
    """Start an experiment on an endpoint type; or, without variants, a draft or one that was stopped, by its name.

    Example: millrace experiments start recommend popular_now:50 personal:50 --goal click --ramp 10
    """
    from schemas.errors import MillraceError

    if not variants:
        for option, given in {
            "--goal": goal,
            "--name": name,
            "--layer": layer,
            "--draft": draft,
            "--thompson": thompson,
        }.items():
            if given:
                raise MillraceError(f"{option} is for a new experiment, which needs variants too: personal:50.")
        _changed(what, "start", {"ramp": ramp} if ramp is not None else {}, note, output)
        return
    if goal is None:
        raise MillraceError("Say which goal's rewards are counted: --goal NAME, as product.toml declares it.")
    split = dict(_variant(item) for item in variants)
    if len(split) < len(variants):
        raise MillraceError("A variant is named twice.")
    body = {"endpoint": what, "split": split, "goal": goal, "layer": layer, "draft": draft, "by": me(), "note": note}
    if thompson is not None:
        body["period_s"] = round(span_of("--thompson", thompson).total_seconds())
    called = name or what.replace("@", "_")
    _say(asked("PUT", address_of(called), body | ({} if ramp is None else {"ramp": ramp})), output)


@app.command()
def shadow(
    endpoint: Annotated[str, typer.Argument(help="The endpoint type whose requests are copied.")],
    implementation: Annotated[str, typer.Argument(help="What answers the copies.")],
    ramp: Annotated[float, typer.Option(help="Per cent of the units whose requests are copied.")] = 10.0,
    name: Annotated[str | None, typer.Option(help="What it is called; shadow_<implementation> unless given.")] = None,
    note: Note = "",
    output: OutputOption = Output.TABLE,
) -> None:
    """Let an implementation answer copies of live requests: logged and compared (`compare`), given to nobody.

    Example: millrace experiments shadow recommend personal --ramp 5
    """
    body = {"endpoint": endpoint, "split": {implementation: 1}, "shadow": True, "ramp": ramp}
    called = name or f"shadow_{implementation}"
    _say(asked("PUT", address_of(called), {**body, "by": me(), "note": note}), output)


@app.command()
def ramp(name: Name, percent: Percent, note: Note = "", output: OutputOption = Output.TABLE) -> None:
    """Let more or fewer units into a running experiment. Nobody in it changes the variant.

    Example: millrace experiments ramp recommend 25
    """
    _changed(name, "ramp", {"ramp": percent}, note, output)


@app.command()
def ship(
    name: Name,
    variant: Annotated[str, typer.Argument(help="The variant that answers for everybody from now on.")],
    note: Note = "",
    output: OutputOption = Output.TABLE,
) -> None:
    """End an experiment by letting one of its variants answer for everybody. Undo it with `rollback`.

    Example: millrace experiments ship recommend personal
    """
    _changed(name, "ship", {"variant": variant}, note, output)


@app.command()
def stop(name: Name, note: Note = "", output: OutputOption = Output.TABLE) -> None:
    """End an experiment: everybody gets what they would without it. `start` lets it go on.

    Example: millrace experiments stop recommend --note "the model was trained on the wrong month"
    """
    _changed(name, "stop", {}, note, output)


@app.command()
def rollback(name: Name, note: Note = "", output: OutputOption = Output.TABLE) -> None:
    """Take back that a variant was shipped: what answered for everybody before does again.

    Example: millrace experiments rollback recommend
    """
    _changed(name, "rollback", {}, note, output)


def _changed(name: str, action: str, body: dict[str, Any], note: str, output: Output) -> None:
    _say(asked("POST", f"{address_of(name)}/{action}", {**body, "by": me(), "note": note}), output)


def address_of(name: str) -> str:
    """Where an experiment is, below the service's address."""
    return f"/v1/experiments/{quote(name, safe='')}"


def _variant(text: str) -> tuple[str, int]:
    from schemas.errors import MillraceError

    name, _, part = text.partition(":")
    if not name or not part.isascii() or not part.isdigit():
        raise MillraceError(f"{text!r} is no variant; write an implementation's name and its part: personal:50.")
    return name, int(part)


def _say(item: dict[str, Any], output: Output) -> None:
    if output is Output.JSON:
        write_json(item)
        return
    last = item["history"][-1]["what"] if item["history"] else "nothing has changed"
    say(f"{item['name']} is {item['state']}: {last}.")
    if item["problem"]:
        say(item["problem"])

"""`millrace deploy`, `undeploy` and `deployments`: data products sent to a running service and to its workers."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote

import typer

from millrace.commands.asking import To, answer_of, service_at
from millrace.commands.me import me
from millrace.commands.output import Output, OutputOption, printable, say, warn, write_json, write_rows

app = typer.Typer()

Note = Annotated[str, typer.Option(help="Why, for the history.")]

PATIENCE = 300.0
"""Seconds that a deployment may take: packages may have to be installed."""
LEARNED = 60.0
"""Seconds to wait until a worker has made a new product's storages."""
LOOK = 0.2
MOMENT = 0.6
"""Seconds in which a service has taken up a storage that is there."""
STEPS = {
    "unpacking": "Unpacking on the service",
    "installing": "Installing the packages that requirements.lock pins",
    "checking": "Importing it and asking its golden requests, in a process of its own",
    "registering": "Registering event types and creating topics",
    "announcing": "Telling all services and workers",
    "loading": "Loading it in the service",
}
NONE = "Nothing was deployed; deploy a product: millrace deploy FOLDER"


@app.command()
def deploy(
    folder: Annotated[Path, typer.Argument(help="Folder of a data product; with --again its name is enough.")],
    to: To = None,
    again: Annotated[str | None, typer.Option(help="Deploy an earlier version: the beginning of its hash.")] = None,
    note: Note = "",
    wait: Annotated[bool, typer.Option(help="Wait until workers have made its storages.")] = True,
    output: OutputOption = Output.TABLE,
) -> None:
    """Send a data product to a running service and to its workers; it answers and learns within a minute.

    The service imports it in a process of its own, asks its golden requests, and compares it with what is served
    before anything changes. What it needs beside Millrace's own packages it pins in requirements.lock, with hashes.
    The service must be started with the setting `deployments` on, and workers with `millrace learn` without a folder.

    Example: millrace deploy trending --to http://models:18080 --note "half-life of a day"
    Example: millrace deploy trending --again 3f2a91 --to http://models:18080
    """
    from millrace.deployments.archive import Archive

    name, shown = folder.resolve().name, output is Output.TABLE
    began = time.monotonic()
    body, query = b"", {"note": note, "again": again or ""}
    if again is None:
        archive, left_out = Archive.of_folder(folder)
        body = archive.packed()
        for path in left_out if shown else ():
            warn(printable(f"left out, no kind of file that is deployed: {path}"))
        if shown:
            say(f"{name} {_short(archive.hash)}: {len(archive.files)} files, {len(body) / 1024:,.1f} KiB packed.")
    done = _asked("PUT", name, to, query, body, say if shown else None)
    if wait:
        done = _learned(done, to, shown)
    if not shown:
        write_json(done)
        raise typer.Exit(done["state"] == "failed")
    for sentence in done["left"]:
        warn(printable(sentence))
    seconds = time.monotonic() - began
    say(_outcome(done, seconds))
    if done["state"] == "failed":
        raise typer.Exit(1)


@app.command()
def undeploy(
    name: Annotated[str, typer.Argument(help="The product.")],
    to: To = None,
    note: Note = "",
    output: OutputOption = Output.TABLE,
) -> None:
    """Let no service answer, and no worker learn, a product any more. What it has learned stays in its storages.

    Example: millrace undeploy trending --to http://models:18080
    """
    done = _asked("DELETE", name, to, {"note": note}, None, None)
    if output is Output.JSON:
        write_json(done)
        return
    last = done["history"][-1]
    say(f"{name} is not deployed any more; its storages stay (millrace storages).")
    say(f"To have it back: millrace deploy {name} --again {_short(last['hash'])}")


@app.command()
def deployments(
    name: Annotated[str | None, typer.Argument(help="Only this product, with its whole history.")] = None,
    to: To = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """Which products are deployed; of one, who deployed which version when, and what became of it.

    Example: millrace deployments --to http://models:18080
    Example: millrace deployments trending --output json
    """
    if name is not None:
        found = _asked("GET", name, to, {}, None, None)
        rows = [
            {"at": item["at"], "what": item["action"], "version": _short(item["hash"]) or None, "by": item["by"]}
            | {"outcome": item["why"] or "done", "note": item["note"] or None}
            for item in found["history"]
        ]
        write_rows(rows, output, NONE)
        return
    found = _asked("GET", "", to, {}, None, None)
    write_rows([_row(item) for item in found["products"]], output, NONE)
    for item in found["products"]:
        if item["problem"]:
            warn(printable(f"{item['name']}: {item['problem']}"))
    if found["away"]:
        warn(printable(f"Nothing can be deployed now: {found['away']}"))


def _short(hash: str) -> str:
    """What people are shown of a hash."""
    from millrace.deployments.archive import SHOWN

    return hash[:SHOWN]


def _outcome(done: dict[str, Any], seconds: float) -> str:
    """What became of a product that was deployed, on this service, in one sentence."""
    title = f"{done['name']} {_short(done['hash'])}"
    if done["state"] != "live":
        return f"{title} is deployed, and {done['state']} on this service: {done['problem']}"
    if done["storages_missing"]:
        return (
            f"{title} is deployed; what reads {', '.join(done['storages_missing'])} answers once a worker has made it."
        )
    if done["unable"]:
        return f"{title} is deployed, and cannot give every answer yet: {' '.join(done['unable'])}"
    answered = ", ".join(f"/v1/{name}" for name in done["declares"]["endpoints"]) or "no endpoint type"
    return f"{title} is live after {seconds:.1f} s: {answered}."


def _row(item: dict[str, Any]) -> dict[str, Any]:
    last: dict[str, Any] = next((one for one in reversed(item["history"]) if one["action"] != "refuse"), {})
    return {
        "product": item["name"],
        "endpoint types": ", ".join(item["declares"]["endpoints"]) or None,
        "state": item["state"],
        "version": _short(item["hash"]) or None,
        "changed": last.get("at"),
        "by": last.get("by"),
        "note": last.get("note") or None,
    }


def _learned(done: dict[str, Any], to: str | None, shown: bool) -> dict[str, Any]:
    """Wait until the storages of a product are there and it answers."""
    until = time.monotonic() + LEARNED
    name, hash = done["name"], done["hash"]
    if shown and done["storages_missing"]:
        say("Waiting for workers to make its storages…")
    while (done["storages_missing"] or done["state"] == "waiting") and done["hash"] == hash:
        if time.monotonic() > until:
            missing = ", ".join(done["storages_missing"]) or done["problem"]
            warn(
                printable(
                    f"Nobody has made {missing} yet: does millrace learn run, without a folder and with deployments "
                    "on? Its log says."
                )
            )
            break
        time.sleep(LOOK)
        done = _asked("GET", name, to, {}, None, None)
    if done["unable"]:  # a storage that is there may not be read yet
        time.sleep(MOMENT)
        done = _asked("GET", name, to, {}, None, None)
    return done


def _asked(
    method: str, name: str, to: str | None, query: dict[str, str], body: bytes | None, tell: Any
) -> dict[str, Any]:
    """The service's answer; while it takes its time, `tell` is given each step.

    Raises:
        MillraceError: it does not answer, or refuses; the message is its problem's detail.
    """
    from schemas.errors import MillraceError

    service = service_at(to)
    address = f"{service}/v1/deployments" + (f"/{quote(name, safe='')}" if name else "")
    given = {} if method == "GET" else {"by": me(), **{key: value for key, value in query.items() if value}}
    ended = threading.Event()
    teller = threading.Thread(target=_tell, args=(service, name, ended, tell), daemon=True)
    if tell is not None:
        teller.start()
    try:
        unknown = "Name one that runs: --to URL"
        if method != "GET":
            unknown = f"Whether {name} was changed is told by: millrace deployments {name}"
        answer, found = answer_of(method, address, unknown, timeout=PATIENCE, params=given, content=body)
    finally:
        ended.set()
        if tell is not None:
            teller.join()
    if answer.is_success:
        return dict(found)
    if found.get("type") == "urn:millrace:problem:no-such-address":
        raise MillraceError(
            f"The service at {service} takes no products; start it with the setting deployments = true."
        )
    problems = found.get("problems") or [found.get("detail", f"{address} answered {answer.status_code}.")]
    raise MillraceError("\n".join(problems if method == "GET" else [f"{name} is not changed.", *problems]))


def _tell(service: str, name: str, ended: threading.Event, tell: Any) -> None:
    """Say each step of a deployment as the service tells it, until it has ended."""
    import httpx

    from millrace.settings import Settings
    from serving.api_key import authorization

    headers = authorization(Settings.load().api_key)
    said = ""
    with httpx.Client(timeout=5.0, headers=headers) as client:
        while not ended.wait(LOOK):
            try:
                under_way = client.get(f"{service}/v1/deployments").json()["under_way"]
            except (httpx.HTTPError, ValueError, KeyError):
                continue
            if under_way and under_way["name"] == name and under_way["step"] != said:
                said = under_way["step"]
                tell(f"{STEPS.get(said, said)}…")

"""`python -m millrace.deployments.checking FOLDER [PACKAGES]`: a product checked in a process of its own.

It is imported and asked its golden requests, as saved code is, and its learners' declarations are read. The last line
of the output is a `Report`; whatever the product's code prints goes elsewhere.
"""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

import msgspec

from learners.declaration import declarations
from millrace.deployments import child
from millrace.deployments.errors import DeploymentRefused
from millrace.deployments.loading import OnDisk, left, taken, whole
from millrace.deployments.report import Report, report_of
from millrace.deployments.writing import unwritable
from millrace.golden import check_product
from millrace.platform import Platform, all_event_types, all_learners, placement
from millrace.product import Product
from millrace.settings import Settings
from schemas.errors import MillraceError

PATIENCE = 30.0
"""Seconds that the check may take; an import that loops or blocks is killed then."""


def checked(place: OnDisk, patience: float = PATIENCE) -> Report:
    """Check a product in a process of its own. Blocks.

    Raises:
        DeploymentRefused: it cannot be imported, a golden request fails, or a learner is declared wrongly.
    """
    command = [sys.executable, "-m", "millrace.deployments.checking", *place.arguments]
    name = place.folder.name
    try:
        ended = child.run(command, patience)
    except child.TookTooLong as error:
        raise DeploymentRefused(f"Importing {name} and its golden requests took more than {patience:g} s.") from error
    try:
        report = msgspec.json.decode(ended.output.strip().rpartition("\n")[2], type=Report)
    except msgspec.MsgspecError as error:
        last = ended.errors.strip().rpartition("\n")[2] or "no output"
        raise DeploymentRefused(f"The check of {name} ended with {ended.code}: {last}") from error
    if report.problems:
        raise DeploymentRefused(*report.problems)
    return report


def _report(place: OnDisk, settings: Settings) -> Report:
    try:
        everything = whole(place)
        product = taken(everything)
        report = report_of(product, settings)
        problems = asyncio.run(_problems(product, settings))
    except MillraceError as error:
        return Report(problems=[str(error).replace(f"{place.folder}", place.folder.name)])
    except SystemExit as error:  # a task that the product's code has started called `exit()`
        return Report(problems=[f"The product's code ends the process (exit code {error.code})."])
    if problems:
        return Report(problems=problems)
    return msgspec.structs.replace(report, left=left(everything))


async def _problems(product: Product, settings: Settings) -> list[str]:
    platform = Platform(settings)
    async with platform.catalogue(product) as catalogue:
        await catalogue.refresh()
        learned = declarations(all_learners(product, counting=False), all_event_types(product))
        written = unwritable(learned, placement(product, settings), catalogue)
        return [*written, *await check_product(product, catalogue)]


def main() -> None:
    """Check the folder named on the command line."""
    output = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what the product prints is no report
    folder, *packages = map(Path, sys.argv[1:])
    report = _report(OnDisk(folder, *packages), Settings.load())
    output.write(b"\n" + msgspec.json.encode(report))
    output.flush()
    os._exit(0)  # whatever threads the product has started


if __name__ == "__main__":
    main()

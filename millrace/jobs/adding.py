"""A job written into a product's `jobs.toml` by a command: checked first, and as a whole or not at all."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from learners.jobs import Chain, Job, JobRefused, read_job
from learners.jobs.declared import read_text
from millrace.jobs.product_jobs import TOML, ProductJobs
from serving.whole_file import put


def add_job(folder: Path, name: str, table: Mapping[str, Any]) -> Job:
    """Write `[jobs.<name>]` at the end of the file; what stands there stays as it is, comments too.

    Args:
        table: what it declares, as in the file; what is empty is left out.

    Raises:
        JobRefused, ProductError: there is a job of this name, or with this one jobs could not run. Nothing is written.
    """
    found = ProductJobs.load(folder)
    said = {key: value for key, value in table.items() if value}
    job = read_job(name, said)
    if name in found.chain.jobs:
        raise JobRefused(f"{found.folder} has a job {name} already; choose another name, or change it in {TOML}.")
    try:
        Chain.of([*found.chain.jobs.values(), job])
    except JobRefused as error:
        raise JobRefused(f"{found.folder}: {error}") from error
    file = found.folder / TOML
    before = file.read_text("utf-8").rstrip() + "\n\n" if file.exists() else ""
    text = before + as_table(name, said)
    assert read_text(text)[-1] == job
    put(file, text.encode())
    return job


def as_table(name: str, table: Mapping[str, Any]) -> str:
    """The table as TOML."""
    width = max(map(len, table))
    return f"[jobs.{name}]\n" + "".join(f"{key:{width}} = {_value(value)}\n" for key, value in table.items())


def _value(value: Any) -> str:
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{_text(key)} = {_text(item)}" for key, item in value.items()) + " }"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return "[" + ", ".join(map(_text, value)) + "]"
    return str(value) if isinstance(value, int) else _text(value)


def _text(text: str) -> str:
    """Of JSON's escapes all are TOML's too; TOML wants one more."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")

"""What a command of ours says of itself where it runs as a job: figures, and why it fails, by Dagster Pipes."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

FILE = "MILLRACE_JOB_MESSAGES"
"""The variable that names the file for it, of `learners.jobs.folder`."""


def say_figures(figures: Mapping[str, float]) -> None:
    """Let the run have these, as `millrace jobs status` and the console show them. Nothing where no job runs."""
    metadata = {name: {"raw_value": value, "type": "float"} for name, value in figures.items()}
    _say("report_asset_materialization", {"asset_key": None, "data_version": None, "metadata": metadata})


def say_why(message: str) -> None:
    """Let the run that fails say why, to whom the webhook tells too. Nothing where no job runs."""
    _say("log", {"message": message, "level": "ERROR"})


def _say(method: str, params: Mapping[str, Any]) -> None:
    if FILE in os.environ:
        line = {"__dagster_pipes_version": "0.1", "method": method, "params": params}
        with Path(os.environ[FILE]).open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")

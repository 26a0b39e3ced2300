"""What a command says of itself by Dagster Pipes: logs and metrics, a JSON document a line, in a file.

The file is read once the command has ended. A line that is none of Pipes' messages is passed over with a warning: a
command that says something wrong has still done its work.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import dagster as dg

from learners.jobs.folder import RunFolder

LOGGER = logging.getLogger("millrace.jobs")
_PROTOCOL = "__dagster_pipes_version"


class Messages(dg.PipesMessageReader):
    """Reads them from a run's folder.

    Args:
        asset: what a message is about that does not say it, as Dagster writes it: "product/job".
    """

    def __init__(self, folder: RunFolder, asset: str) -> None:
        self._folder, self._asset = folder, asset

    @property
    def expected_writer_count(self) -> int:
        """Called by Dagster: one command writes."""
        return 1

    @contextmanager
    def read_messages(self, handler: Any) -> Iterator[dict[str, Any]]:
        """Called by Dagster around the command."""
        yield {"path": str(self._folder.messages)}
        handler.handle_message(_message("opened"))  # a command that says nothing is no wonder
        lines = self._folder.said
        wrong = sum(not self._handled(line, handler) for line in lines if line.strip())
        if wrong:
            LOGGER.warning("%d of %d lines of %s are no messages of Dagster Pipes.", wrong, len(lines), self._asset)
        handler.handle_message(_message("closed"))

    def no_messages_debug_text(self) -> str:
        """Called by Dagster where there were none."""
        return "It may say metrics by Dagster Pipes."

    def _handled(self, line: bytes, handler: Any) -> bool:
        try:
            message = json.loads(line)
            if message["method"] not in ("opened", "closed"):
                if message["method"].startswith("report_asset"):
                    message["params"]["asset_key"] = message["params"].get("asset_key") or self._asset
                handler.handle_message({**message, _PROTOCOL: message.get(_PROTOCOL, "0.1")})
        except Exception:  # whatever its protocol finds wrong with it
            return False
        return True


def _message(method: str) -> dict[str, Any]:
    return {_PROTOCOL: "0.1", "method": method, "params": {}}

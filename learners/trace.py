"""What a worker has done, as JSON lines: for fault tests, which must prove where a kill has hit."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterable
from pathlib import Path

Place = tuple[str, int, int | None]
"""Topic, partition, and the offset up to which something has happened (None = the beginning of the log)."""


class Trace:
    """Appends one line per happening; a line that was written survives a SIGKILL.

    `delivered` messages beyond the last `committed` position are what a kill would lose without the protocol;
    `claimed` says where the next owner of the unit really began.
    """

    def __init__(self, path: Path | None) -> None:
        self._file = None if path is None else os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)

    def delivered(self, places: Iterable[Place]) -> None:
        """Messages before these offsets have reached the worker."""
        if self._file is not None:
            self._write([{"delivered": list(place)} for place in places])

    def committed(self, learner: str, place: Place) -> None:
        """The storage has acknowledged this position of this learner's unit."""
        if self._file is not None:
            self._write([{"committed": list(place), "learner": learner}])

    def claimed(self, learner: str, place: Place) -> None:
        """This learner's unit belongs to this worker, from this position."""
        if self._file is not None:
            self._write([{"claimed": list(place), "learner": learner}])

    def close(self) -> None:
        """Close the file; nothing is buffered."""
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def _write(self, lines: list[dict[str, object]]) -> None:
        if self._file is None or not lines:
            return
        stamp = {"process": os.getpid(), "at": time.time()}
        os.write(self._file, b"".join(json.dumps(line | stamp).encode() + b"\n" for line in lines))

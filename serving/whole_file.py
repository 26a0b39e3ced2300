"""A file that is there as a whole or not at all, whoever is killed while it is written."""

from __future__ import annotations

import os
from pathlib import Path
from uuid import uuid4


def put(path: Path, content: bytes, mode: int = 0o666) -> None:
    """Put a file in the place of the one that is there, in one step. Blocks until the disk has it.

    Processes and threads may do so at the same time: one of them is the last. A link stays, and what it leads to is
    replaced.

    Args:
        mode: who may read and write it, but for those whom the process's umask leaves out.

    Raises:
        OSError: what was there is there still.
    """
    target = path.resolve()
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f".{target.name}.{uuid4().hex}")
    try:
        with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(target)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise

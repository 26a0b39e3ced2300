"""What a process of ours says on stderr, by Python's logging."""

from __future__ import annotations

import logging


def say_on_stderr() -> None:
    """Millrace says what it does, everything else only what goes wrong. Called once, as a process starts."""
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    logging.getLogger("millrace").setLevel(logging.INFO)

"""`python -m examples.shop.live`: the shop on a port of this machine."""

from __future__ import annotations

import argparse
import logging
from datetime import timedelta

import uvicorn

from .app import Shop


def main() -> None:
    """Serve until Ctrl-C."""
    options = argparse.ArgumentParser(prog="shop", description=__doc__)
    options.add_argument("--models", default="http://127.0.0.1:18080", help="address of the models service")
    options.add_argument("--port", type=int, default=8000)
    options.add_argument(
        "--patience", type=float, help="seconds to wait for a strip; else the endpoint type's deadline"
    )
    chosen = options.parse_args()
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    deadline = None if chosen.patience is None else timedelta(seconds=chosen.patience)
    uvicorn.run(Shop(chosen.models, deadline).app(), host="127.0.0.1", port=chosen.port, log_level="warning")


if __name__ == "__main__":
    main()

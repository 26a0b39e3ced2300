"""What `millrace` does with saved code before it is loaded: imports it and asks its golden requests."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from millrace.product import Product
from schemas import MillraceError
from serving import run_golden
from storage import Catalogue, Memory, MemoryReads


async def problems_of(folder: Path) -> list[str]:
    """What is wrong with the product; nothing, where all is well."""
    try:
        types = Product.load(folder).endpoints
        return list(await run_golden(types, Catalogue({"memory": MemoryReads(Memory())})))
    except MillraceError as error:
        return [str(error)]


if __name__ == "__main__":
    found = asyncio.run(problems_of(Path(sys.argv[1])))
    sys.stdout.write("\n".join(found))
    sys.exit(bool(found))

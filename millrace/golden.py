"""`python -m millrace.golden FOLDER`: a data product imported and asked its golden requests, in a process of its own.

The models service runs this before it takes up a changed file: an import may loop, crash or block, and must not do so
in the process that answers. Exit code 0, or 1 with one line per problem on stdout.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator
from pathlib import Path

from millrace.platform import Platform
from millrace.product import Product
from millrace.settings import Settings
from schemas.errors import MillraceError
from serving import run_golden
from storage import Catalogue, StorageError, StorageUnavailable


async def check(folder: Path, settings: Settings) -> list[str]:
    """Problems found in the product's endpoint types and implementations; empty when all is well."""
    try:
        product = Product.load(folder)
    except MillraceError as error:
        return [str(error)]
    async with Platform(settings).catalogue(product) as catalogue:
        await catalogue.refresh()
        return await check_product(product, catalogue)


async def check_product(product: Product, catalogue: Catalogue) -> list[str]:
    """The same of a product that is loaded, over storages that were asked."""
    problems = await run_golden(product.endpoints, catalogue)
    try:
        catalogue.must_answer()
    except StorageUnavailable as error:
        problems += [
            f"{title}: its golden requests cannot be asked now: {error}" for title in _unbound(product, catalogue)
        ]
    return problems


def _unbound(product: Product, catalogue: Catalogue) -> Iterator[str]:
    """Implementations whose storages are not found."""
    for kind in product.endpoints:
        for implementation in kind.implementations.values():
            try:
                implementation.bind(catalogue)
            except StorageError:
                yield implementation.title


def main() -> None:
    """Check the folder named on the command line."""
    try:
        problems = asyncio.run(check(Path(sys.argv[1]), Settings.load()))
    except SystemExit as error:  # a task that the product's code has started called `exit()`
        problems = [f"The product's code ends the process (exit code {error.code})."]
    for problem in problems:
        sys.stdout.write(problem + "\n")
    sys.exit(1 if problems else 0)


if __name__ == "__main__":
    main()

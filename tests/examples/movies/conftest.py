"""The movies product, and its data set where a package index is reachable."""

from __future__ import annotations

import os
from pathlib import Path
from types import ModuleType

import pytest

from millrace.product import Product
from schemas.errors import MillraceError

FOLDER = Path(__file__).parents[3] / "examples" / "movies"


@pytest.fixture(scope="session")
def movies() -> Product:
    """The product, loaded as workers and the service load it."""
    return Product.load(FOLDER)


@pytest.fixture(scope="session")
def dataset(movies: Product) -> ModuleType:
    """Its data set, fetched once. Skips where it cannot be fetched, and fails instead where CI=true."""
    module = movies.module("dataset")
    try:
        module.wheel()
    except MillraceError as error:
        if os.environ.get("CI") == "true":
            raise
        pytest.skip(str(error))
    return module

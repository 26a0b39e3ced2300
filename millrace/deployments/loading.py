"""A deployed product loaded in this process."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from threading import Lock

from millrace.deployments import packages
from millrace.product import Product

_LOADING = Lock()
"""What is imported under a name is the newest that was, for the whole process."""


@dataclass(frozen=True)
class OnDisk:
    """A version of a product on this machine: its folder, and that of its own packages where it has some."""

    folder: Path
    packages: Path | None = None

    @property
    def arguments(self) -> list[str]:
        """As a command is given it: the folder, and then the packages' if there is one."""
        return [str(self.folder), *([] if self.packages is None else [str(self.packages)])]


def loaded(place: OnDisk) -> Product:
    """The product, without what is not taken from one that is deployed: see `left`.

    Raises:
        ProductError: it cannot be imported.
    """
    return taken(whole(place))


def whole(place: OnDisk) -> Product:
    """The product as its folder says. Raises ProductError."""
    with _LOADING:
        if place.packages is not None:
            packages.use(place.packages)
        return Product.load(place.folder)


def taken(product: Product) -> Product:
    """What is taken of it."""
    return replace(product, pages=())


def left(product: Product) -> list[str]:
    """What of a product's folder stays without effect when it is deployed, a sentence each."""
    found = []
    if product.experiments:
        names = ", ".join(item.name for item in product.experiments)
        found.append(f"Experiments of product.toml become drafts, which wait for somebody to start them: {names}.")
    if product.pages:
        found.append(f"Pages of the console are not taken ({', '.join(item.title for item in product.pages)}).")
    return found

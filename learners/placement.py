"""Which technology a storage lives in: what a product says of it, or it says itself, or the platform says of all."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from learners.errors import LearnerRefused
from storage import Format

EVERY = "default"
"""The name under which a product says where all its storages live that it does not name."""


@dataclass(frozen=True)
class Placement:
    """Moves storages between technologies without a change to a learner: a storage keeps its name wherever it lives.

    Attributes:
        platform: where storages live that nobody says anything of.
        product: the product's table: "popular", or "ranking/popular" where two formats share a name, or "default" ->
            its technology.
    """

    platform: str = "redis"
    product: Mapping[str, str] = field(default_factory=dict)

    def of(self, form: Format) -> str:
        """The technology of a storage."""
        named = self.product.get(form.storage) or self.product.get(form.name)
        return named or form.technology or self.product.get(EVERY) or self.platform

    def check(self, forms: Collection[Format]) -> None:
        """Raise LearnerRefused if the product places a storage that none of its learners has."""
        known = {EVERY, *(form.name for form in forms), *(form.storage for form in forms)}
        unknown = sorted(set(self.product) - known)
        if unknown:
            names = ", ".join(sorted(form.name for form in forms))
            raise LearnerRefused(f"[storages] names {unknown[0]!r}, which no learner writes; they write {names}.")

"""What a backtest asks, and what counts as a hit: the `[backtest]` table of product.toml."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from operator import attrgetter
from typing import Any

import polars as pl

from millrace.product import Product, ProductError
from schemas import Event, EventType
from serving import EndpointType


@dataclass(frozen=True)
class Question:
    """Each positive event of a unit that has an earlier positive one is a question: is its item in the answer?

    Attributes:
        endpoint: name of the endpoint type that is asked, with its version from the second on: `recommend@2`.
        event: topic of the events that are predicted.
        positive: SQL expression over an event's fields; only such events are predicted.
        unit: field of the event that says who, and of the request, which has no other required field.
        item: field of the event that must be among what is found.
        found: list of the answer and field of its members, `items.id`; or a list of the answer alone.
        baseline: implementation that the others are compared with.
        size: how many of the answer's first members count.
    """

    endpoint: str
    event: str
    positive: str
    unit: str
    item: str
    found: str
    baseline: str
    size: int = 10

    @classmethod
    def of(cls, product: Product) -> Question:
        """Read a product's question.

        Raises:
            ProductError: it declares none, or one that names what it does not have.
        """
        table = product.options.get("backtest")
        place = f"[backtest] in {product.folder / 'product.toml'}"
        if not isinstance(table, dict):
            raise ProductError(
                f"There is no {place}; without it nobody knows what a hit is. "
                "To judge a learner, name it with --learner."
            )
        try:
            question = cls(**table)
        except TypeError as error:
            names = ", ".join(item.name for item in fields(cls))
            raise ProductError(f"{place} is wrong ({error}); it takes {names}.") from error
        for kind, wanted, known in (
            ("endpoint", question.endpoint, [item.title for item in product.endpoints]),
            ("event", question.event, list(product.event_types)),
        ):
            if wanted not in known:
                raise ProductError(
                    f"{place} names the {kind} {wanted!r}; the product has {', '.join(known) or 'none'}."
                )
        return question

    @property
    def measure(self) -> str:
        """What the share of hits is called."""
        return f"hit rate@{self.size}"

    def endpoint_type(self, product: Product) -> EndpointType[Any, Any]:
        """The endpoint type that is asked."""
        return product.endpoint(self.endpoint)

    def positives(self, event_type: EventType, events: Sequence[Event]) -> list[bool]:
        """Which of these events are positive.

        Raises:
            ProductError: the expression does not fit the events' fields.
        """
        frame = event_type.frame(events)
        try:
            found = frame.select(pl.sql_expr(self.positive).alias("positive").cast(pl.Boolean))
        except pl.exceptions.PolarsError as error:
            raise ProductError(f"[backtest] has positive = {self.positive!r}, which fails: {error}.") from error
        return found["positive"].fill_null(False).to_list()

    def reader(self) -> Callable[[Any], list[Any]]:
        """Takes an answer, gives the ids of its first `size` members."""
        place, _, field = self.found.partition(".")
        members, size = attrgetter(place), self.size
        if not field:
            return lambda answer: list(members(answer)[:size])
        identity = attrgetter(field)
        return lambda answer: [identity(member) for member in members(answer)[:size]]

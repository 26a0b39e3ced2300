"""What a product wants of its topics where they have to be made: its table `[topics]`, and what its learners emit."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from graphlib import TopologicalSorter

import msgspec

from learners import LearnerRefused
from learners.declaration import declarations, topics_behind
from millrace.product import Product, ProductError
from schemas import Decision, EventType
from schemas.duration import duration
from streams.retention import TIME, WITHOUT_END


class WantedTopic(msgspec.Struct, frozen=True):
    """What is wanted of one topic.

    Attributes:
        partitions: None = as many as the platform's topics have.
        settings: under Kafka's names; empty = the broker's, or those of `sources`.
        sources: the topics that its events follow from, as learners emit them.
    """

    partitions: int | None = None
    settings: dict[str, str] = {}
    sources: list[str] = []


USUAL = WantedTopic()


def declared_topics(product: Product) -> dict[str, WantedTopic]:
    """The table `[topics]` of product.toml.

    Raises:
        ProductError: it says something else than partitions and retention.
    """
    found = product.options.get("topics", {})
    try:
        return {topic: _declared(table) for topic, table in found.items()}
    except (AttributeError, TypeError, ValueError) as error:
        raise ProductError(
            f"[topics] in {product.folder / 'product.toml'} is wrong: {error}; a topic has lines like partitions = 8 "
            'and retention = "30d" (or "forever").'
        ) from error


def topic_settings(product: Product) -> dict[str, dict[str, str]]:
    """The declared settings of topics, also of those that only workers make. Raises ProductError."""
    return {topic: wanted.settings for topic, wanted in declared_topics(product).items() if wanted.settings}


def wanted_topics(product: Product) -> dict[str, WantedTopic]:
    """What is declared, and for a topic that the product's learners emit to, what its events follow from.

    Raises:
        ProductError: the table `[topics]` is wrong.
    """
    wanted = declared_topics(product)
    try:
        found = declarations(product.learners, {**product.event_types, Decision.event_type.topic: Decision.event_type})
    except LearnerRefused:  # who runs them says so
        return wanted
    for topic in {emit.topic for item in found for emit in item.emits.values()}:
        own = wanted.get(topic, USUAL)
        sources = {one.asked for one in found if one.topic in topics_behind(topic, found)}
        wanted[topic] = WantedTopic(own.partitions, own.settings, sorted(sources))
    return wanted


def in_order(event_types: Iterable[EventType], wanted: Mapping[str, WantedTopic]) -> list[EventType]:
    """Those whose topics follow from others come after these."""
    by_topic = {item.topic: item for item in event_types}
    order = TopologicalSorter({topic: wanted.get(topic, USUAL).sources for topic in by_topic})
    return [by_topic[topic] for topic in order.static_order() if topic in by_topic]


def _declared(table: Mapping[str, object]) -> WantedTopic:
    if unknown := set(table) - {"partitions", "retention"}:
        raise ValueError(f"there is no {min(unknown)!r}")
    partitions, retention = table.get("partitions"), table.get("retention")
    if partitions is not None and (type(partitions) is not int or partitions < 1):
        raise ValueError(f"partitions = {partitions!r} is no number of partitions")
    if retention is None:
        return WantedTopic(partitions)
    ms = WITHOUT_END if retention == "forever" else int(duration(retention).total_seconds()) * 1000
    return WantedTopic(partitions, {TIME: str(ms)})

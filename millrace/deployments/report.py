"""What a product declares, as the process that checked it tells the service."""

from __future__ import annotations

from typing import Any

import msgspec

from learners.declaration import declarations
from millrace.deployments.names import Names
from millrace.platform import all_event_types, all_learners, placement
from millrace.product import Product
from millrace.settings import Settings
from millrace.wanted_topics import USUAL, WantedTopic, in_order, wanted_topics
from schemas import EventType
from serving.endpoints import Declared
from serving.json_schema.compatibility import Contract


class Endpoint(msgspec.Struct, frozen=True):
    """An endpoint type: what callers know of it, and who answers."""

    unit: str
    request: dict[str, Any]
    response: dict[str, Any]
    implementations: list[str]


class Topic(msgspec.Struct, frozen=True):
    """An event type: its Avro schema, its key, and what is wanted of its topic."""

    schema: dict[str, Any]
    key: str | None
    wanted: WantedTopic = USUAL


class Report(msgspec.Struct, frozen=True):
    """What was found: problems, or what the product declares. `left` says what of it is not taken."""

    problems: list[str] = []
    endpoints: dict[str, Endpoint] = {}
    topics: dict[str, Topic] = {}
    names: Names = Names()
    left: list[str] = []

    @property
    def declared(self) -> Declared:
        """Its endpoint types, as they are compared with those that are served."""
        return {
            title: (Contract(title, item.unit, item.request, item.response), item.implementations)
            for title, item in self.endpoints.items()
        }

    @property
    def event_types(self) -> list[EventType]:
        """Its event types, as they are registered, in the order in which their topics are made. Raises SchemaError."""
        found = [EventType(topic, item.schema, item.key) for topic, item in self.topics.items()]
        return in_order(found, {topic: item.wanted for topic, item in self.topics.items()})


def report_of(product: Product, settings: Settings) -> Report:
    """What a product declares.

    Raises:
        LearnerRefused, ProductError: its learners cannot run as they are declared.
    """
    found = declarations(all_learners(product, counting=False), all_event_types(product))
    placement(product, settings).check([form for item in found for form in item.storages.values()])
    wanted = wanted_topics(product)
    return Report(
        endpoints={
            kind.title: Endpoint(
                kind.unit, dict(kind.requests.schema), dict(kind.responses.schema), list(kind.implementations)
            )
            for kind in product.endpoints
        },
        topics={
            topic: Topic(dict(item.schema), item.key, wanted.get(topic, USUAL))
            for topic, item in product.event_types.items()
        },
        names=Names(
            endpoints=[kind.title for kind in product.endpoints],
            learners=[item.name for item in found],
            storages=[form.storage for item in found for form in item.storages.values()],
            goals=[goal.name for goal in product.goals],
            topics={topic: item.key for topic, item in product.event_types.items()},
            counts=bool(product.goals),
        ),
    )

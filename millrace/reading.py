"""What a product's learners read, by which schema, and what they write: as they tell everybody (`schemas.readers`)."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from learners.declaration import Declaration, declarations
from millrace.platform import Platform, all_event_types, all_learners, placement
from millrace.product import Product
from millrace.settings import Settings
from schemas.errors import MillraceError
from schemas.readers import PRODUCT, Reader, known
from schemas.readers import readers_of as readers_of_rows

LOGGER = logging.getLogger("millrace.readers")


def tell_readers(product: Product, platform: Platform, counting: bool) -> None:
    """Tell what the product's workers read from now on: before its event types are registered, as those may be what its
    workers before could not read. A worker that is started again finds it told, by one request to our registry. Blocks.

    Raises:
        LearnerRefused, ProductError: the learners cannot run as they are declared.
        RegistryUnavailable, KafkaUnavailable: one is away.
    """
    readers = readers_of(product, platform.settings, counting)
    documents = platform.registry.readers()
    if documents is not None and known(documents, product.name, readers):
        return
    for told in doubled(readers, [one for one in readers_of_rows(documents or {}) if one.product == product.name]):
        LOGGER.warning("%s", told)
    try:
        platform.readers.learn(product.name, readers)
    except MillraceError as error:
        if error.passes:
            raise
        LOGGER.warning("A change of a schema may break these learners unsaid, as nobody knows of them: %s", error)


def doubled(readers: Sequence[Reader], before: Sequence[Reader]) -> list[str]:
    """A sentence for each learner that emits to a topic to which one has emitted that the product has no more. Pure."""
    names = {one.learner for one in readers}
    was = {one.learner for one in before}
    return [
        f"{new.learner}@{new.version} emits to {topic}, to which {old.learner}@{old.version} has already emitted, "
        f"which {new.product} declares no more. If it was renamed, readers of {topic} count both: "
        "give it back its name, or let it emit to a new topic."
        for new in readers
        for old in before
        if new.learner not in was and old.learner not in names
        for topic in new.emits
        if topic in old.emits
    ]


def forget_readers(platform: Platform, product: str) -> None:
    """The product has no workers any more. Blocks."""
    try:
        platform.readers.forget(f"{PRODUCT}{product}")
    except MillraceError as error:
        LOGGER.warning("It stays known who read for %s (millrace schemas forget): %s", product, error)


def readers_of(product: Product, settings: Settings, counting: bool = True) -> list[Reader]:
    """The product's learners as readers of their topics; of a topic that is derived, as readers of what it is derived
    from.

    Raises:
        LearnerRefused, ProductError: they cannot run as they are declared.
    """
    placed = placement(product, settings)
    found = declarations(all_learners(product, counting), all_event_types(product))
    return [
        _reader(product.name, item, [f"{placed.of(form)}/{form.storage}" for form in item.storages.values()])
        for item in found
    ]


def _reader(product: str, declaration: Declaration, storages: list[str]) -> Reader:
    return Reader(
        learner=declaration.name,
        version=declaration.learner.version,
        topic=declaration.asked,  # whose bytes a derived topic has
        storages=tuple(storages),
        emits=tuple(item.topic for item in declaration.emits.values()),
        product=product,
        schema=dict((declaration.source or declaration.event_type).schema),
    )

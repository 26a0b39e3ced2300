"""Whether learners could write beside what is there, told before a worker finds out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from learners import Placement
from learners.declaration import Declaration
from storage import Catalogue, Descriptor, StorageConflict
from storage.declaring import settled


def unwritable(declarations: Sequence[Declaration], placement: Placement, catalogue: Catalogue) -> list[str]:
    """Why workers would refuse these learners, a sentence each, as far as the catalogue knows storages."""
    return [problem for item in declarations for problem in _of(item, placement, catalogue)]


def _of(declaration: Declaration, placement: Placement, catalogue: Catalogue) -> Iterator[str]:
    version = declaration.learner.version
    there = {item.title: item for item in catalogue.storages()}
    wanted = _described(declaration, placement)
    for item in wanted:
        existing = there.get(item.title)
        if existing is not None:
            try:
                settled(existing, item)
            except StorageConflict as error:
                yield f"Learner {declaration.name}: {error}"
    folded = any(state.next is not None for item in wanted for state in catalogue.states().get(item.title, ()))
    for item in wanted:
        if folded and item.title not in there:
            yield (
                f"Learner {declaration.name}: {item.title} would stay without what version {version} has folded, as a "
                "version folds each event once. Raise the learner's version: it folds the log anew, and readers "
                "change over once it has caught up."
            )


def _described(declaration: Declaration, placement: Placement) -> list[Descriptor]:
    """The storages as they would be, where they would be; but for what a learner keeps beside them."""
    where = {form.storage: placement.of(form) for form in declaration.storages.values()}
    return [
        replace(item, technology=where[item.storage])
        for item in declaration.descriptors(declaration.learner.version)
        if item.storage in where
    ]

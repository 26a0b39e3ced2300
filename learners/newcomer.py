"""A learner's version that has just begun: readers get its rows once they are as far as the log was at its start."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial

from learners.homes import Homes
from learners.plan import caught_up
from schemas.errors import MillraceError
from streams import Topics

log = logging.getLogger(__name__)


class Newcomer:
    """One version of a learner, until the names of its storages point to it.

    Until then an earlier version keeps answering, however long the replay takes. Several workers may share the
    version: whoever sees first that all its units have caught up lets the names point to it.

    Args:
        writer: writes the derived topic that it folds: what is to come there counts as being in the log.
        then: is called in place of letting the names point to it.
    """

    def __init__(
        self,
        homes: Homes,
        generation: int,
        writer: Newcomer | None = None,
        then: Callable[[], None] | None = None,
    ) -> None:
        self._homes, self._generation, self._writer = homes, generation, writer
        self._then = partial(homes.point, generation) if then is None else then
        self._topic = homes.declaration.topic
        self._ends: dict[int, tuple[int, int]] | None = None

    def takes_over(self, topics: Topics) -> bool:
        """Let the names point to this version if it has caught up; says whether they do. Blocks for a few exchanges.

        While Kafka or the storage do not answer it says no.
        """
        try:
            if not self._is_level(topics):
                return False
            self._then()
        except MillraceError as error:
            log.info("%s is not pointed to yet: %s", self._homes.declaration.name, error)
            return False
        return True

    def _is_level(self, topics: Topics) -> bool:
        """Whether its units have folded all that was in the log when this was first asked."""
        if self._writer is not None and not self._writer._is_level(topics):
            return False
        if self._ends is None:
            self._ends = {partition: ends for (_, partition), ends in topics.ends([self._topic]).items()}
        units = self._homes.units(self._generation)
        return caught_up(self._ends, {state.unit.partition: state.next for state in units})

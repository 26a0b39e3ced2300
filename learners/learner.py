"""The contract: what a data scientist writes.

A learner declares, as class attributes, the stream it folds and the storages it writes, and says in `learn` what the
events do to them. Each unit (one learner on one partition) has an instance of its own, whose storages collect the
writes; they become visible together with the position in the log, in one atomic commit.

A fold must be deterministic: no clock, no random number without a seed taken from the event, no dependence on the
order of a set or on where a batch ends. Attributes kept on `self` are lost whenever a unit changes hands: state that
matters belongs into a storage. `millrace check` tries these promises.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from typing import Any, ClassVar, Generic, TypeVar

import polars as pl

from learners.replay import Replay
from schemas import Event, EventType
from streams import Batch

E = TypeVar("E", bound=Event)


def _snake_case(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower()


class Learner:
    """Base of all learners; derive from `FrameLearner` or `EventLearner`.

    Attributes:
        name: by default the class's name in snake case; part of every row's key.
        version: raise it when the fold or an option changes; the new version folds the log from its beginning into
            new rows, and readers switch to them.
        state: the technology that holds the rows which the fold reads back, where its storages are in several; None =
            the first that can. What is in the others cannot be read back while folding.
    """

    name: ClassVar[str] = ""
    version: ClassVar[int] = 1
    state: ClassVar[str | None] = None
    by_event: ClassVar[bool] = False
    truth: ClassVar[str] = ""

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if "name" not in vars(cls):
            cls.name = _snake_case(cls.__name__)

    def learn(self, item: Any, /) -> None:
        """Fold one batch, or one event; never called by two threads at once for one instance. May block only to load
        rows of its own storages."""
        raise NotImplementedError(f"{type(self).__name__} does not say how it learns; write its `learn` method.")

    def predict(self, item: Any, /) -> Any:
        """What the truth of an event will be, asked before it is learned: a probability where that is yes or no, or a
        number; None = it does not say. The fields that `truth` names are null in what it is given. A frame learner
        gives one for each row of the batch. It reads what was learned, and writes nothing; only backtests ask."""
        raise NotImplementedError(f"{type(self).__name__} does not predict; write its `predict` method.")

    @classmethod
    def replay(
        cls, frame: pl.DataFrame, partitions: int = 4, event_types: Mapping[str, EventType] | None = None
    ) -> dict[str, pl.DataFrame]:
        """Fold a frame of events in memory, as live workers would fold them; nothing is written anywhere else.

        Args:
            frame: the events' fields as columns, in order of time.
            partitions: units to split the events into, by their key, as Kafka would.
            event_types: by topic; not needed where the learner's module defines or imports the event's class.

        Returns:
            Per storage name its rows as a frame.
        """
        replay = Replay([cls], event_types or _beside(cls), partitions)
        replay.fold(replay.topics[0], frame)
        return replay.frames()


def _beside(learner: type[Learner]) -> dict[str, EventType]:
    """The event types that the learner's module knows by name."""
    known = vars(sys.modules[learner.__module__]).values()
    events = [item for item in known if isinstance(item, type) and issubclass(item, Event) and item is not Event]
    return {event.event_type.topic: event.event_type for event in events}


class FrameLearner(Learner):
    """Learns from batches: `batch.frame` is a polars frame of one partition's next events, in order.

    The fastest kind, as whole columns are decoded and grouped. Where a batch begins and ends means nothing.
    """

    def learn(self, batch: Batch) -> None:
        """Fold one batch, possibly an empty one."""
        raise NotImplementedError(f"{type(self).__name__} does not say how it learns; write `learn(self, batch)`.")


class EventLearner(Learner, Generic[E]):
    """Learns from one event at a time: `class LikeRate(EventLearner[Rating])`.

    The type in brackets is what `learn` receives, and, where no stream is declared, its topic is what is read.
    """

    by_event: ClassVar[bool] = True

    def learn(self, event: E) -> None:
        """Fold one event."""
        raise NotImplementedError(f"{type(self).__name__} does not say how it learns; write `learn(self, event)`.")

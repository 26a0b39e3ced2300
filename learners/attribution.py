"""From rewards to counts per variant: with `decision_counts.py` the learners behind an experiment's page.

Both are ordinary learners. They need no join, because a decision's id carries its experiment, its variant, its time and
the group of its unit, over which the results' variance is taken.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, ClassVar, cast

import polars as pl

from learners.errors import LearnerRefused
from learners.learner import FrameLearner
from learners.stream import stream
from schemas import DecisionId, EventType, Record, group_of
from schemas.errors import MalformedEvent
from storage import Counters, Records
from streams import Batch

CLOCK_SKEW = timedelta(seconds=5)
"""A reward may seem to come this much before its decision, because two machines' clocks differ."""
FOLDS = 1
"""How often the fold of rewards has changed: a learner's version is its goal's and these."""


@dataclass(frozen=True)
class Goal:
    """What counts as a decision's reward.

    Attributes:
        topic: the events among which rewards are.
        decision: their field that names the decision.
        window: how long after its decision an event still counts.
        first: whether a decision is rewarded once at most.
        where: a condition on the event's fields, as an SQL expression such as "stars >= 4".
        version: raise it when anything of the above changes; counting then starts anew.
    """

    name: str
    topic: str
    decision: str = "decision"
    window: timedelta = timedelta(minutes=30)
    first: bool = True
    where: str | None = None
    version: int = 1


class Rewards(FrameLearner):
    """How many rewards each variant of each experiment got, by one goal; made by `goal_learner`.

    `groups` has the same by the group of units that the decision's id names (`variant.17`), and under
    `experiment.weighted` the weights of those decisions together, as `DecisionCounts` has them; an id without a group
    is counted in that of the event's key, which should be the unit then.

    Where a decision counts once, the decisions counted already are remembered with the topic's key: rewards for one
    decision must come under one key, which they do when the key is the experiment's unit.
    """

    goal: ClassVar[Goal]
    key: ClassVar[str]
    time: ClassVar[str]
    record: ClassVar[type[Record]]
    rewards: ClassVar[Counters]
    groups: ClassVar[Counters]
    rewarded: ClassVar[Records[Any]]

    def learn(self, batch: Batch) -> None:
        """Count the batch's rewards."""
        found = list(self._in_time(batch.frame))
        if self.goal.first and found:
            found = list(self._first_ones(found))
        rows = [(reward.decision.experiment, reward.decision.variant) for reward in found]
        frame = pl.DataFrame(rows, {"experiment": pl.String, "variant": pl.String}, orient="row")
        self.rewards.add(frame, key="experiment", field="variant")
        placed = [(reward.decision, place) for reward in found if (place := reward.place) is not None]
        rows = [(decision.experiment, place) for decision, place in placed]
        frame = pl.DataFrame(rows, {"experiment": pl.String, "place": pl.String}, orient="row")
        self.groups.add(frame, key="experiment", field="place")
        for decision, place in placed:
            if (weight := decision.weight) is not None:
                self.groups.add_one(f"{decision.experiment}.weighted", place, weight)

    def _in_time(self, frame: pl.DataFrame) -> Iterator[_Reward]:
        """The events that reward a decision of an experiment within the window, in order."""
        if self.goal.where is not None:
            frame = frame.filter(pl.sql_expr(self.goal.where))
        frame = frame.filter(pl.col(self.goal.decision).is_not_null() & pl.col(self.time).is_not_null())
        keys = frame[self.key].cast(pl.String) if self.key else [None] * frame.height
        for key, text, at in zip(keys, frame[self.goal.decision], frame[self.time], strict=True):
            try:
                decision = DecisionId.parse(text)
            except MalformedEvent:
                continue  # another system's id
            counts = decision.experiment is not None and decision.variant is not None
            if counts and -CLOCK_SKEW <= at - decision.at <= self.goal.window:
                yield _Reward(key, text, decision, at)

    def _first_ones(self, rewards: Sequence[_Reward]) -> Iterator[_Reward]:
        """Those whose decision was not rewarded before; remembers them."""
        self.rewarded.load(dict.fromkeys(str(reward.key) for reward in rewards))
        for reward in rewards:
            key = str(reward.key)
            known = self.rewarded.get(key)
            decisions = [] if known is None else known.decisions
            newest = reward.at if known is None else max(known.newest, reward.at)
            if reward.text in decisions or reward.decision.at < newest - 2 * self.goal.window:
                continue
            kept = [text for text in decisions if DecisionId.parse(text).at >= newest - 2 * self.goal.window]
            row = {self.key: key, "newest": newest, "decisions": [*kept, reward.text]}
            self.rewarded.put_one(key, self.record(**row))
            yield reward


@dataclass(frozen=True, slots=True)
class _Reward:
    key: str | None
    text: str
    decision: DecisionId
    at: datetime

    @property
    def place(self) -> str | None:
        """Variant and group of units; None where neither the id nor a key names a group."""
        group = self.decision.group
        if group is None and self.key is not None:
            group = group_of(self.key)
        return None if group is None else f"{self.decision.variant}.{group}"


def goal_learner(goal: Goal, event_type: EventType) -> type[Rewards]:
    """The learner that counts a goal's rewards, per variant, in the counters `experiment_rewards_<goal>`.

    Args:
        event_type: of the goal's topic.

    Raises:
        LearnerRefused: the goal does not fit the event type.
    """
    _check(goal, event_type)
    parts: dict[str, Any] = {
        "__module__": __name__,
        "__doc__": f"Rewards by the goal {goal.name}.",
        "name": f"goal_{goal.name}",
        "version": goal.version + FOLDS,
        "goal": goal,
        "key": event_type.key or "",
        "time": _time_of(event_type),
        "events": stream(goal.topic),
        "rewards": Counters(f"experiment_rewards_{goal.name}"),
        "groups": Counters(f"experiment_rewards_{goal.name}_groups"),
    }
    if event_type.key is not None:
        parts["record"] = _rewarded(goal, event_type.key)
        parts["rewarded"] = Records(f"rewarded_{goal.name}", parts["record"])
    return cast("type[Rewards]", type("Rewards", (Rewards,), parts))


def rewards_of(goal: Goal, event_type: EventType, frame: pl.DataFrame) -> Counter[str]:
    """How often each decision was rewarded in time, by its id: the goal's rule, of events at hand.

    Raises:
        LearnerRefused: the goal does not fit the event type.
    """
    found = Counter(reward.text for reward in goal_learner(goal, event_type)()._in_time(frame))
    return Counter(dict.fromkeys(found, 1)) if goal.first else found


def _rewarded(goal: Goal, key: str) -> type[Record]:
    """The row that remembers which decisions of a key were rewarded.

    `newest` is the newest event time seen with a reward; ids older than two windows before it are pruned, and events
    that name such a decision come too late to count, as it is not known any more whether it was rewarded. The record's
    name carries the goal's definition, so that a changed goal without a new version is refused like any changed option.
    """
    definition = repr((goal.topic, goal.decision, goal.window, goal.first, goal.where))
    name = f"Rewarded{hashlib.sha256(definition.encode()).hexdigest()[:12]}"
    fields = {"__annotations__": {key: str, "newest": datetime, "decisions": list[str]}, "__module__": __name__}
    return cast("type[Record]", type(name, (Record,), fields))


def _time_of(event_type: EventType) -> str:
    if event_type.time_field is None:
        raise LearnerRefused(f"{event_type.topic} has no time field, so a goal's window cannot be checked; add `at`.")
    return event_type.time_field


def _check(goal: Goal, event_type: EventType) -> None:
    if goal.decision not in event_type.frame_schema:
        raise LearnerRefused(
            f"Goal {goal.name} finds its decision in the field {goal.decision!r}, which {goal.topic} lacks; "
            f"it has {', '.join(event_type.frame_schema)}."
        )
    if goal.first and event_type.key is None:
        raise LearnerRefused(
            f"Goal {goal.name} counts a decision's first reward only, but {goal.topic} has no key, so that one "
            "decision's rewards may be on several partitions; give the event type a key, or say `first = false`."
        )
    if goal.where is None:
        return
    try:
        pl.DataFrame(schema=event_type.frame_schema).filter(pl.sql_expr(goal.where))
    except pl.exceptions.PolarsError as error:
        raise LearnerRefused(
            f"Goal {goal.name}: `where = {goal.where!r}` does not fit {goal.topic}: {error}"
        ) from error

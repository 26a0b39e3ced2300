"""Learners: the contract that data scientists write to, and the worker that keeps it over live events.

May import `streams`, `storage` and `schemas`. Start reading at `learner.py` (the contract), then `fold.py` (one learner
at work), `unit.py` (fold, position and commit of one partition) and `worker.py` (the process); `plan.py` holds the
decisions between them.
"""

from learners.attribution import Goal, goal_learner, rewards_of
from learners.bad_limit import BadLimit
from learners.decision_counts import DecisionCounts
from learners.emit import Emit, emit
from learners.emitter import Emitter
from learners.errors import EmitRefused, FoldFailed, LearnerError, LearnerRefused
from learners.late import Late
from learners.learner import EventLearner, FrameLearner, Learner
from learners.placement import Placement
from learners.replay import Replay
from learners.stream import Stream, stream
from learners.supervisor import REFUSED, Supervisor
from learners.worker import Worker

__all__ = [
    "REFUSED",
    "BadLimit",
    "DecisionCounts",
    "Emit",
    "EmitRefused",
    "Emitter",
    "EventLearner",
    "FoldFailed",
    "FrameLearner",
    "Goal",
    "Late",
    "Learner",
    "LearnerError",
    "LearnerRefused",
    "Placement",
    "Replay",
    "Stream",
    "Supervisor",
    "Worker",
    "emit",
    "goal_learner",
    "rewards_of",
    "stream",
]

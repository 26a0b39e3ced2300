"""Test, then learn: a learner is asked about each event before it learns it, and never sees what it is asked for
(Gama et al. 2013, "prequential")."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl

from learners.declaration import Declaration
from learners.errors import LearnerRefused
from learners.fold import Fold
from learners.score import Score
from streams import Batch


class Judge:
    """Judges one learner, all of its units together.

    What `predict` is given lacks the fields that `truth` is worked out from, so that no prediction can see its outcome;
    whatever else it reads is what was learned of earlier events.

    Attributes:
        score: of all predictions so far.
        step: of the learning curve, to be set by whoever folds.

    Raises:
        LearnerRefused: the learner declares no truth, or one that does not fit its events.
    """

    def __init__(self, declaration: Declaration) -> None:
        self._learner: Any = declaration.learner
        truth = getattr(declaration.learner, "truth", "")
        if not truth:
            raise LearnerRefused(
                f"Learner {declaration.name} says nothing that could be judged; give it a `truth`, such as "
                '`truth = "stars >= 4"`, and a method `predict` that says what it takes that to be.'
            )
        schema = declaration.event_type.frame_schema
        try:
            self._truth = pl.sql_expr(truth)
            self._asked = sorted(set(self._truth.meta.root_names()))
            kind = pl.DataFrame(schema=schema).select(self._truth.alias("truth")).schema["truth"]
        except pl.exceptions.PolarsError as error:
            raise LearnerRefused(f"Learner {declaration.name} has truth = {truth!r}, which fails: {error}.") from error
        if not (kind == pl.Boolean or kind.is_numeric()):
            raise LearnerRefused(
                f"Learner {declaration.name} has truth = {truth!r}, a {kind}; it is yes or no, or a number."
            )
        self._schema = {name: schema[name] for name in self._asked}
        self.score, self.step = Score(kind == pl.Boolean), 0
        self._came: Mapping[str, list[Any]] = {name: [] for name in self._asked}
        self._said: list[float | None] = []

    def attach(self, fold: Fold) -> None:
        """From now on the learner of this fold is asked before it learns."""
        session, learner = fold.session, fold.learner
        learn: Callable[[Any], None] = learner.learn
        ask = self._ask_of_event if fold.declaration.events is not None else self._ask_of_batch

        def asked_then_learn(item: Any) -> None:
            examples, session.examples = session.examples, 0  # a model that is asked has not learned
            session.step += 1
            ask(learner, item)
            session.examples = examples
            session.step += 1
            learn(item)

        learner.learn = asked_then_learn  # type: ignore[method-assign]

    def settle(self) -> None:
        """Take what was asked of events one by one into the score."""
        if self._said:
            self._take(pl.DataFrame(self._came, schema=self._schema), self._said)
            self._said.clear()
            for values in self._came.values():
                values.clear()

    def _ask_of_event(self, learner: Any, event: Any) -> None:
        known = vars(event)
        hidden = object.__new__(type(event))
        hidden.__dict__.update(known, **dict.fromkeys(self._asked))
        self._said.append(learner.predict(hidden))
        for name, values in self._came.items():
            values.append(known[name])

    def _ask_of_batch(self, learner: Any, batch: Batch) -> None:
        if not batch.rows:
            return
        hidden = batch.frame.with_columns(pl.lit(None, kind).alias(name) for name, kind in self._schema.items())
        said = learner.predict(replace(batch, frame=hidden))
        if len(said) != batch.rows:
            raise LearnerRefused(
                f"{self._learner.name} predicts {len(said)} times for {batch.rows} events; give one number for each "
                "row of the batch, in its order, or null."
            )
        self._take(batch.frame, said)

    def _take(self, came: pl.DataFrame, said: Any) -> None:
        truth = came.select(self._truth.alias("truth").cast(pl.Float64))["truth"]
        predicted = pl.Series(said, dtype=pl.Float64, strict=False)
        self.score.add(self.step, *(series.fill_null(np.nan).to_numpy() for series in (truth, predicted)))

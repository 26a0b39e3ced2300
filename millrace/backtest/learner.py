"""A learner folded over past events in memory, judged as it goes, at the speed of columns."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

from learners import FoldFailed, LearnerError, Replay
from learners.declaration import Declaration
from learners.score import STEPS
from millrace.archive import shelf_of
from millrace.backtest.candidate import Candidate, Trial
from millrace.backtest.events import ARCHIVE, read_events
from millrace.garbage import settle
from millrace.platform import learner_of
from millrace.product import Product
from millrace.settings import Settings
from schemas import Event

AT_ONCE = 1_000
"""Events that a frame learner predicts before it learns them, and that are folded at once where they are no frame."""
Seen = Callable[[int, int], None]
"""Is told how many events are done, and of how many."""


def fold_learner(product: Product, trial: Trial, settings: Settings, seen: Seen) -> tuple[Replay, Candidate]:
    """Fold what the trial says with its learner; it is judged where it declares a truth. Blocks.

    Raises:
        ProductError: the product has no such learner.
        MillraceError: the events cannot be read, or the learner raises.
    """
    learner = learner_of(product, trial.learner or "")
    declaration, began = Declaration.of(learner, product.event_types), time.monotonic()
    judged = [learner.name] if learner.truth else []
    settle()
    if trial.source == ARCHIVE:
        replay, passes = _archived(declaration, product, trial, settings, judged)
    else:
        replay, passes = _listed(declaration, product, trial, settings, judged)
    done = 0
    try:
        for done, total in passes:
            seen(done, total)
    except FoldFailed as error:
        raise LearnerError(
            f"{error}. Nothing of this trial is kept; put it right and give the command again."
        ) from error
    score = replay.judges[learner.name].score if judged else None
    return replay, Candidate(
        name=learner.name,
        constants=trial.constants,
        measure="" if score is None else score.measure,
        more=False,
        figures={} if score is None else score.figures(),
        curve=[] if score is None else score.curve(),
        predictions=0 if score is None else score.predictions,
        events=done,
        seconds=time.monotonic() - began,
        rows=_rows(replay),
    )


Passes = Iterator[tuple[int, int]]
"""Folds as it goes: how many events are folded, and how many there are."""


def _archived(
    declaration: Declaration, product: Product, trial: Trial, settings: Settings, judged: list[str]
) -> tuple[Replay, Passes]:
    """In the units of the log's partitions, whatever the archive's size; who wants the events by another key, or all in
    one order, gets them in the order in which the log took them, so that none comes before an older one."""
    shelf = shelf_of(settings)
    from streams.archive import ArchivedLog

    event_type = product.event_types[declaration.asked]
    extent = trial.extent
    log = ArchivedLog(shelf.table(declaration.asked), event_type, since=extent.since, until=extent.until)
    replay = Replay([declaration.learner], product.event_types, max(log.spans, default=0) + 1, judged)
    total = log.rows if extent.limit is None else min(log.rows, extent.limit)
    size = log.rows if not judged else AT_ONCE if declaration.events is None else max(AT_ONCE, log.rows // STEPS)

    def in_order() -> Passes:
        done = 0
        for frame in log.frames():
            for start in range(0, min(frame.height, total - done), max(1, size)):
                piece = frame[start : start + size].head(total - done)
                for judge in replay.judges.values():
                    judge.step = STEPS * done // total
                replay.fold_frame(declaration.asked, piece)
                done += piece.height
                yield done, total

    def passes() -> Passes:
        done = 0
        for batch, _ in log.batches():
            first, end = log.spans[batch.partition]
            for piece in batch.split(max(1, size)):
                if done == total:
                    return
                piece = piece if piece.rows <= total - done else next(piece.split(total - done))
                for judge in replay.judges.values():
                    judge.step = STEPS * (piece.first - first) // max(1, end - first)
                replay.fold_batch(piece)
                done += piece.rows
                yield done, total

    derived = declaration.total_order or declaration.source is not None
    return replay, in_order() if derived else passes()


def _listed(
    declaration: Declaration, product: Product, trial: Trial, settings: Settings, judged: list[str]
) -> tuple[Replay, Passes]:
    """In units of events by their key, as many as a topic has partitions that Millrace makes."""
    events = read_events(product, trial.source, declaration.asked, trial.extent)
    mine = [event for event in events if event.event_type.topic == declaration.asked]
    replay = Replay([declaration.learner], product.event_types, settings.partitions, judged)

    def passes() -> Passes:
        for start in range(0, len(mine), AT_ONCE):
            for judge in replay.judges.values():
                judge.step = STEPS * start // len(mine)
            try:
                replay.fold(declaration.asked, mine[start : start + AT_ONCE])
            except FoldFailed as error:
                own = [at for at, event in enumerate(mine, 1) if _is_in(error, replay, declaration, event)]
                which = f"{own[error.first]:,}" if error.next == error.first + 1 else f"{start + 1:,} or after it"
                raise LearnerError(
                    f"Learner {error.learner} raised on event {which} of {trial.source}: {error.what}. Nothing of this "
                    "trial is kept; put it right and give the command again."
                ) from error
            yield min(start + AT_ONCE, len(mine)), len(mine)

    return replay, passes()


def _is_in(error: FoldFailed, replay: Replay, declaration: Declaration, event: Event) -> bool:
    return declaration.total_order or replay.place(declaration.topic, event) == error.partition


def _rows(replay: Replay) -> dict[str, int]:
    counts = {}
    for item in replay.memory.storages():
        counts[item.storage] = sum(1 for _ in replay.memory.dump(item))
    return counts

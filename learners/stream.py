"""What a learner reads: the events of one topic."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from learners.bad_limit import BadLimit
from learners.late import Late

USUAL = BadLimit()


@dataclass(frozen=True)
class Stream:
    """One topic as a learner reads it: split by the topic's key, in order within a partition.

    Attributes:
        key: the field by which the learner needs its events together; None = as the topic is split.
        order: "total" = all events in one order, whatever their key; None = in order per partition.
        drop_repeats: an event is dropped if its id is that of one of so many events before it in its partition; 0 =
            none is.
        stop_at: so many bad events stop a unit of the learner; None = however many there are, they are passed over.
        emitted: learners that are not of the same product emit to the topic.
        event_time: the field that says when an event happened; None = the event type's.
        late: which events are late, and what becomes of them; None = none is.
    """

    topic: str
    key: str | None = None
    order: Literal["total"] | None = None
    drop_repeats: int = 0
    stop_at: BadLimit | None = USUAL
    emitted: bool = False
    event_time: str | None = None
    late: Late | None = None


def stream(
    topic: str,
    *,
    key: str | None = None,
    order: Literal["total"] | None = None,
    drop_repeats: int = 0,
    stop_at: BadLimit | None = USUAL,
    emitted: bool = False,
    event_time: str | None = None,
    late: Late | None = None,
) -> Stream:
    """Declare, as a class attribute of a learner, the topic that it folds.

    Where more events are bad than `stop_at` allows, the learner stands still on that partition until somebody lets it
    go on (`millrace dead-letters resume`); `None` = it never does.

    A key other than the topic's own, and a total order over several partitions, are read from a derived topic, which
    the worker makes and writes: `<product>.clicks.by-item`, `<product>.clicks.in-order`.

    `drop_repeats=100_000` drops events that were sent twice, by the id that the event type names (`id="..."`, the
    schema's `millrace.id`): of each partition that many ids are kept, with the rows, at about 150 bytes of memory each.

    `event_time="at"` names the field that says when an event happened; left out it is `at`, or the first field that
    holds a time. `late=mr.Late(allowed=timedelta(minutes=5))` says how far out of order events may be, and what becomes
    of those that come later still.

    What learners emit to the topic again after a crash is dropped; those of the same product are known, and
    `emitted=True` says that others do.
    """
    return Stream(topic, key, order, drop_repeats, stop_at, emitted, event_time, late)

"""Percentiles of the answers given between two samples, from their histograms. No I/O."""

from __future__ import annotations

from serving.measurements.sample import AnswerCounts


def between(first: AnswerCounts, last: AnswerCounts) -> AnswerCounts:
    """What happened between two readings of one histogram; all of `last` if it was reset in between."""
    if last.answers < first.answers or first.bounds != last.bounds:
        return last  # the first reading is of another histogram, or of none yet
    return AnswerCounts(
        last.answers - first.answers,
        last.fallbacks - first.fallbacks,
        last.errors - first.errors,
        last.bounds,
        tuple(after - before for before, after in zip(first.buckets, last.buckets, strict=True)),
        {key: count - first.failures.get(key, 0) for key, count in last.failures.items()},
        last.shed - first.shed,
    )


def percentile(counts: AnswerCounts, share: float) -> float | None:
    """Seconds within which `share` of the answers came, interpolated inside a bucket; None without answers.

    An answer beyond the last bound counts as that bound: the figure is then a lower limit.
    """
    total = sum(counts.buckets)
    if not total or not counts.bounds:
        return None
    wanted, below = share * total, 0
    for index, bound in enumerate(counts.bounds):
        inside = counts.buckets[index]
        if inside and below + inside >= wanted:
            start = counts.bounds[index - 1] if index else 0.0
            return start + (wanted - below) / inside * (bound - start)
        below += inside
    return counts.bounds[-1]

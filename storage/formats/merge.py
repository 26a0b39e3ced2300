"""The best members by the sum of their scores in two buckets, of each of which only the best were read."""

from __future__ import annotations

from collections.abc import Sequence

Scored = list[tuple[str, float]]


class Merge:
    """One key's two lists. It knows when what was read is enough: by the threshold algorithm, no member that was not
    read can have more than the sum of what the lists end with (Fagin, Lotem and Naor 2003, section 4).

    Args:
        lists: of each bucket the best `depth` members with their scores as stored, best first.
        scales: what each bucket's scores are multiplied by.
    """

    def __init__(self, lists: Sequence[Scored], depth: int, scales: Sequence[float]) -> None:
        self._lists = lists
        self._scales = scales
        self._whole = [len(scored) < depth for scored in lists]
        self._scores = [
            {member: score * scale for member, score in scored} for scored, scale in zip(lists, scales, strict=True)
        ]

    def missing(self) -> list[list[str]]:
        """For each bucket the members that only the other list named, and that may have a score here all the same."""
        one, other = self._scores
        return [
            [] if self._whole[0] else [member for member in other if member not in one],
            [] if self._whole[1] else [member for member in one if member not in other],
        ]

    def fill(self, scores: Sequence[Sequence[float | None]]) -> None:
        """Take the scores, as stored, of the members that were `missing`."""
        for place, members in enumerate(self.missing()):
            for member, score in zip(members, scores[place], strict=True):
                if score is not None:
                    self._scores[place][member] = score * self._scales[place]

    def best(self, size: int) -> Scored | None:
        """The best by their sums, ties by member; None if that cannot be said without reading deeper lists."""
        one, other = self._scores
        totals = [(member, one.get(member, 0.0) + other.get(member, 0.0)) for member in {**one, **other}]
        totals.sort(key=_best_first)
        return totals[:size] if all(self._whole) or self._enough(totals, size) else None

    def _enough(self, totals: Scored, size: int) -> bool:
        """Whether no member that was not read can be among the best."""
        if len(totals) < size:
            return False
        worst = totals[size - 1]
        bounds = [
            0.0 if whole else max(0.0, scored[-1][1] * scale)
            for whole, scored, scale in zip(self._whole, self._lists, self._scales, strict=True)
        ]
        if worst[1] > sum(bounds):
            return True
        open_ended = self._lists[self._whole.index(False)]  # all others of one list come after its last member
        return any(self._whole) and _best_first(worst) <= (-sum(bounds), open_ended[-1][0])


def _best_first(scored: tuple[str, float]) -> tuple[float, str]:
    return -scored[1], scored[0]

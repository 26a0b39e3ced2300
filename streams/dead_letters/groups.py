"""Dead letters counted by topic and reason. No I/O."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from streams.dead_letters.letter import Letter
from streams.dead_letters.replays import Known

MOST = 1_000
"""Reasons that are told apart; what comes after them is counted as `OTHERS`."""
OTHERS = "Others"


@dataclass(frozen=True, slots=True)
class Group:
    """Letters of one topic that were refused alike.

    Attributes:
        why: the error and its reason with every number as N.
        letters: how many there are; `replayed` of them were put back to the topic, and of `unsure` it is not known.
        first_ms, last_ms: when the first and the last of them was refused, in milliseconds since 1970.
        newest: the number of the last.
    """

    topic: str
    why: str
    letters: int = 0
    replayed: int = 0
    unsure: int = 0
    first_ms: int = 0
    last_ms: int = 0
    newest: int = -1

    def with_one(self, letter: Letter, known: Known) -> Group:
        """The group with one more letter, which comes after those before."""
        return replace(
            self,
            letters=self.letters + 1,
            replayed=self.replayed + (letter.number in known.sent),
            unsure=self.unsure + (letter.number in known.unsure),
            first_ms=self.first_ms or letter.refused_ms,
            last_ms=letter.refused_ms,
            newest=letter.number,
        )


def groups(topic: str, letters: Iterable[Letter], known: Known) -> list[Group]:
    """The groups of a topic, the one that grew last first."""
    found: dict[str, Group] = {}
    for letter in letters:
        why = letter.why if letter.why in found or len(found) < MOST else OTHERS
        found[why] = found.get(why, Group(topic, why)).with_one(letter, known)
    return sorted(found.values(), key=lambda group: -group.newest)

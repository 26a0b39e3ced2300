"""What an erasure has found and done, and what remains where."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import Any

from schemas.errors import MillraceError


@dataclass
class Place:
    """What is done at one place.

    Attributes:
        kind: storage, archive, source (its snapshots) or topic.
        place: a version's title, the archive's place, or a topic.
        rows: found: rows, or an archive's events.
        items: of other rows members and fields found; of a topic None.
        left: what is found after it was removed.
        remains: what stays there, and until when; empty = nothing that is known.
    """

    kind: str
    place: str
    rows: int | None = None
    items: int | None = None
    left: int | None = None
    remains: str = ""


@dataclass
class Report:
    """What an erasure has found and done.

    Attributes:
        id: names it in the audit log, which does not name the person.
        erased: False = it was only looked.
        complete: nothing of what can be removed was found when it was looked again, and nothing was in its way.
        behind: units and archives that have events before them which were there when it began; what of them is the
            person's comes back. Erase again then.
        unjudged: what does not say whom it is about, so that nothing of it was removed; how to say it.
        problems: what could not be looked at or removed.
    """

    id: str
    subject: str
    at: str
    erased: bool = False
    complete: bool = False
    places: list[Place] = field(default_factory=list)
    behind: list[str] = field(default_factory=list)
    unjudged: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        """As JSON values."""
        return asdict(self)

    @contextmanager
    def noting(self, what: str) -> Iterator[None]:
        """Note what is in the way of the block, which ends there, and go on with what comes next."""
        try:
            yield
        except MillraceError as error:
            said = f"{what}: {error}"
            if said not in self.problems:
                self.problems.append(said)

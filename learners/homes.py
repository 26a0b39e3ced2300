"""Where a learner's storages live: which technologies, and which of them holds the state that its fold reads back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from learners.declaration import Declaration
from learners.errors import LearnerRefused
from learners.placement import Placement
from storage import Address, Descriptor, Format, Technology, UnitState
from storage.compound import Compound
from storage.formats.marks import Marks
from storage.formats.seen import Seen
from storage.formats.sessions import Sessions
from storage.formats.watermark import Watermark
from storage.technologies import kind
from storage.technology import Commits

_KEEPS: Mapping[type[Format], str] = {
    Seen: "drops repeated events and keeps their ids",
    Marks: "reads what learners emit and keeps how far it has folded each",
    Watermark: "keeps its watermark",
}


@dataclass(frozen=True)
class Homes:
    """One learner's storages in their technologies.

    Attributes:
        technologies: the state's first, then those derived from it.
        places: "ranking/popular" -> the number of its technology.
    """

    declaration: Declaration
    technologies: tuple[Technology, ...]
    places: Mapping[str, int]

    @classmethod
    def single(cls, declaration: Declaration, technology: Technology) -> Homes:
        """All storages in one technology, whichever they name: for replays."""
        return cls(declaration, (technology,), {form.storage: 0 for form in declaration.forms})

    @classmethod
    def of(
        cls, declaration: Declaration, technologies: Mapping[str, Technology], placement: Placement | None = None
    ) -> Homes:
        """The storages where they are placed; without a placement where they say themselves.

        Raises:
            LearnerRefused: a technology is not set up, or the learner's `state` is none of them.
        """
        placement = placement or Placement()
        places = {form.storage: placement.of(form) for form in declaration.placed}
        names = list(dict.fromkeys(places.values()))
        for name in names:
            if name not in technologies:
                known = ", ".join(sorted(technologies)) or "none"
                raise LearnerRefused(
                    f"Learner {declaration.name} writes to {name}, which is not set up; known: {known}. Set its "
                    f"address, MILLRACE_{name.upper()}_URL, or place the storage elsewhere."
                )
        state = _state(declaration, places)
        ordered = [state, *(name for name in names if name != state)]
        numbers = {storage: ordered.index(name) for storage, name in places.items()}
        _must_hold_sessions(declaration, places, state)
        for form in declaration.kept:
            if form.reads_back:
                _must_read_back(declaration, form, state)
            numbers[form.storage] = 0
        return cls(declaration, tuple(technologies[name] for name in ordered), numbers)

    @property
    def commits(self) -> Commits:
        """What the learner's units claim, read and commit through."""
        if len(self.technologies) == 1:
            return self.technologies[0]
        return Compound(self.technologies, self._home)

    @property
    def rows(self) -> int:
        """That a commit may hold."""
        return min(kind(technology.name).rows for technology in self.technologies)

    @property
    def bulk(self) -> int:
        """The same where nobody waits for it."""
        return min(kind(technology.name).bulk for technology in self.technologies)

    def declare(self) -> int:
        """Make the storages known where they live; returns the generation of their rows.

        A version's first rows are its generation of the same number. Blocks.

        Raises:
            StorageConflict: a storage exists with other options under this version.
            FormatRefused: a technology cannot hold one of them.
            LearnerRefused: a storage is new where this version has folded events already, and would miss them; or a
                topic has other partitions than when some version began to emit to it.
        """
        version = self.declaration.learner.version
        self._refuse_empty(version)
        self._refuse_moved()
        found = {technology.declare(item).generation for technology, item in self._described(version)}
        if len(found) > 1:
            raise LearnerRefused(
                f"The storages of {self.declaration.name}@{version} are of several generations; raise its version."
            )
        return found.pop()

    def units(self, generation: int) -> list[UnitState]:
        """How far the learner's units are: where its state is, as that is committed last. Blocks for an exchange."""
        _, descriptor = next(item for item in self._described(generation) if item[0] is self.technologies[0])
        return self.technologies[0].units(descriptor)

    def positions(self, generation: int) -> list[dict[int, int | None]]:
        """Partition -> committed position, in each technology. Blocks for an exchange with each."""
        found = []
        for technology in self.technologies:
            descriptor = next(item for owner, item in self._described(generation) if owner is technology)
            found.append({state.unit.partition: state.next for state in technology.units(descriptor)})
        return found

    def missing(self, generation: int) -> list[Descriptor]:
        """The storages that do not describe themselves where they live. Blocks for an exchange with each technology."""
        known = [{item.title for item in technology.storages()} for technology in self.technologies]
        places = [(item, self.places[item.storage]) for _, item in self._described(generation)]
        return [item for item, place in places if item.title not in known[place]]

    def point(self, generation: int) -> None:
        """Let the names of its storages point to this version, in each technology at one moment. Blocks."""
        described = self._described(generation)
        for technology in reversed(self.technologies):
            technology.point([descriptor for owner, descriptor in described if owner is technology])

    def served(self, generation: int) -> list[tuple[Technology, Descriptor]]:
        """The storages that readers know, of that generation, each with where it lives."""
        names = {form.storage for form in self.declaration.storages.values()}
        return [item for item in self._described(generation) if item[1].storage in names]

    def _refuse_empty(self, generation: int) -> None:
        """Positions are asked for first: whoever has folded had declared all of the storages before."""
        folded = [any(next is not None for next in found.values()) for found in self.positions(generation)]
        if any(folded):
            for item in self.missing(generation):
                if folded[self.places[item.storage]]:
                    name = f"{self.declaration.name}@{self.declaration.learner.version}"
                    raise LearnerRefused(
                        f"{item.title} would stay without what {name} has folded into {item.technology} before, as a "
                        "version folds each event once. Raise the learner's version: it folds the log anew, and "
                        "readers change over once it has caught up."
                    )

    def _refuse_moved(self) -> None:
        """What is emitted again goes where it went before, or readers cannot tell it from what is new."""
        emitted = self.declaration.emitted
        if emitted is None:
            return
        for item in self.technologies[self.places[emitted.storage]].storages():
            known = item.options.get("topics") if item.storage == emitted.storage else None
            for topic, count in emitted.partitions.items():
                before = known.get(topic, count) if isinstance(known, Mapping) else count
                if before != count:
                    raise LearnerRefused(
                        f"{topic} has {count} partitions, and had {before} when {item.writer} began to emit to it, so "
                        "its readers could not tell what is emitted again. Emit to a new topic."
                    )

    def _described(self, generation: int) -> list[tuple[Technology, Descriptor]]:
        found = []
        for descriptor in self.declaration.descriptors(generation):
            technology = self.technologies[self.places[descriptor.storage]]
            found.append((technology, replace(descriptor, technology=technology.name)))
        return found

    def _home(self, address: Address) -> int:
        return self.places[address.storage]


def _must_read_back(declaration: Declaration, form: Format, state: str) -> None:
    """Raise LearnerRefused where what is kept of its streams cannot be beside the state."""
    if why := kind(state).lacks.get("load"):
        raise LearnerRefused(
            f"Learner {declaration.name} {_KEEPS[type(form)]} where its state is, in {state}, from which no row "
            f"is read back while folding: {why}. Give it a storage in another technology, and name that as its `state`."
        )


def _must_hold_sessions(declaration: Declaration, places: Mapping[str, str], state: str) -> None:
    """Raise LearnerRefused where sessions could not be read back to be merged."""
    for form in declaration.storages.values():
        if isinstance(form, Sessions) and (places[form.storage] != state or "load" in kind(state).lacks):
            raise LearnerRefused(
                f"Learner {declaration.name} merges the sessions of {form.storage}, which are in "
                f"{places[form.storage]}, from which no row is read back while folding; place them where the learner's "
                f"`state` is, in a technology that lets rows be read back."
            )


def _state(declaration: Declaration, places: Mapping[str, str]) -> str:
    """The technology whose rows the fold reads back: what the learner says, or the first that lets rows be read back
    and is asked to hold some that can be."""
    names = list(dict.fromkeys(places.values()))
    wanted = declaration.learner.state
    if wanted is not None:
        if wanted not in names:
            raise LearnerRefused(
                f"Learner {declaration.name} keeps its state in {wanted}, where none of its storages is; they are in "
                f"{', '.join(names)}."
            )
        return wanted
    owned = [places[form.storage] for form in declaration.storages.values() if form.reads_back]
    able = [name for name in [*owned, *names] if "load" not in kind(name).lacks]
    return able[0] if able else names[0]

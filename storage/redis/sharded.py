"""Claims, reads and commits of units whose rows are in several slots of a cluster; `shards.py` says why it is right."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import zip_longest

from storage.address import Address
from storage.compound import split
from storage.descriptor import Descriptor
from storage.errors import Fenced, Gap, StorageUnavailable, SuspectGeneration, UnknownOutcome, as_text
from storage.redis.fenced import gap
from storage.redis.fill import newest_buckets
from storage.redis.keys import Keys, unit_name
from storage.redis.nodes import Nodes
from storage.redis.shard_calls import ShardCalls
from storage.redis.shards import (
    Others,
    Redo,
    Step,
    Track,
    adds,
    by_shard,
    has_rows,
    home,
    kept_commits,
    missed,
    positions_of,
    risky,
    taken,
)
from storage.redis.writes import Text, packed
from storage.technology import Gone
from storage.unit import Claim, Outcome, UnitId, must_fit, offset_of
from storage.writes import Writes

_LOOKS = 5
"""So often the shards are brought level if somebody else interferes each time."""
_APPLIED = {"OK", "ALREADY"}


class Sharded:
    """The fenced side of `Technology` on a cluster. Thread-safe.

    It remembers where the shards of each unit are, which is only to save a look: what is forgotten is looked at again.

    Args:
        shards: into how many a new generation goes.
    """

    def __init__(self, nodes: Nodes, shards: int) -> None:
        self._nodes, self._shards, self._calls = nodes, shards, ShardCalls(nodes)
        self._tracks: dict[UnitId, Track] = {}

    def claim(self, unit: UnitId, owner: str) -> Claim:
        """See `Technology.claim`. The state shard decides whose the unit is; then the others are brought level."""
        with self._nodes.at(Keys.of(unit).units) as node:
            shards = node.shards(unit, self._shards)
            claim = node.claim(unit, owner)
        try:
            track = self._level(claim, shards)
        except Fenced:
            return claim  # claimed by another already, which it is told when it reads or commits
        ahead = [track.positions[shard] for shard in range(1, track.shards) if track.ahead(shard)]
        return replace(claim, parts=tuple(Claim(unit, claim.epoch, owner, position) for position in ahead))

    def read(self, claim: Claim, expected: int | None, rows: Sequence[Address]) -> list[bytes | None]:
        """See `Technology.read`.

        Raises:
            SuspectGeneration: a row may be ahead of the unit's position, because the state has forgotten commits.
        """
        track = self._track(claim)
        if track.shards == 1 or not rows:
            with self._nodes.at(Keys.of(claim.unit).units) as node:
                return node.read(claim, expected, rows)
        if track.next != expected:
            track = self._level(claim, track.shards)
        if track.next != expected:
            raise gap(claim.unit, expected)
        with as_text():
            wanted = by_shard(rows, track.shards)
        _must_be_level(claim, track, wanted)
        try:
            found = self._calls.rows(claim, track, wanted)
        except (Fenced, Gap):  # by a claim that came late: whoever has the state shard has all of them
            track = self._level(claim, track.shards)
            found = self._calls.rows(claim, track, wanted)
        return taken(found, rows, track.shards)

    def commit(self, claim: Claim, expected: int | None, new: int, writes: Writes, watermark_ms: int | None) -> Outcome:
        """See `Technology.commit`."""
        must_fit(new)
        try:
            track = self._track(claim)
            if track.shards == 1:
                with self._nodes.at(Keys.of(claim.unit).units) as node:
                    return node.commit(claim, expected, new, writes, watermark_ms)
            if track.next != expected:
                track = self._level(claim, track.shards)
            if track.next == new:
                return Outcome.ALREADY
            if track.next != expected:
                return Outcome.GAP
            return self._commit(claim, track, new, writes, watermark_ms)
        except Fenced:
            return Outcome.FENCED
        except BaseException:
            self._forget(claim)  # what became of it is looked at before anything else is done
            raise

    def remove(self, descriptor: Descriptor, claim: Claim | None, gone: Gone) -> None:
        """See `Technology.remove`. Each shard under its own fence; the claim has brought them level."""
        if claim is None:
            with self._nodes.at(Keys.of(descriptor).units) as node:
                shards, epochs = node.shards(descriptor), None
        else:
            track = self._track(claim)
            shards, epochs = track.shards, track.epochs
        with as_text():
            wanted = by_shard(list(gone), shards)
        for shard, rows in wanted.items():
            with self._nodes.at(Keys.of(descriptor, shard).units) as node:
                epoch = None if epochs is None else epochs[shard]
                node.remove(descriptor, claim, {row: gone[row] for row in rows}, shard, epoch)

    def _commit(self, claim: Claim, track: Track, new: int, writes: Writes, watermark_ms: int | None) -> Outcome:
        with as_text():
            shares = split(writes, home(track.shards), track.shards)
            touched = [
                shard for shard in range(1, track.shards) if has_rows(shares[shard]) and _takes(track, shard, new)
            ]
            texts = {shard: packed(Keys.of(claim.unit, shard), shares[shard]) for shard in touched}
            others = self._others(track, new, writes, texts)
        steps = [Step(shard, track.positions[shard], new, texts[shard]) for shard in touched]
        if track.near or risky(writes):  # the state shard must not decide what another could not hold
            self._calls.look(claim, track, [step for step in steps if adds(shares[step.shard])])
        with self._nodes.at(Keys.of(claim.unit).units) as node:
            outcome = node.commit(claim, track.next, new, shares[0], watermark_ms, others)
        if outcome not in (Outcome.OK, Outcome.ALREADY):
            self._forget(claim)
            return outcome
        try:
            self._spread(claim, track, new, steps)
        except StorageUnavailable as error:  # the commit has happened, and whoever has the unit next completes it
            raise UnknownOutcome(str(error)) from error
        return outcome

    def _others(self, track: Track, new: int, writes: Writes, texts: Mapping[int, list[Text]]) -> Others | None:
        if not texts and not any(map(track.ahead, range(1, track.shards))):
            return None
        redo = Redo(new, {shard: (track.positions[shard], part) for shard, part in texts.items()}).to_bytes()
        positions = track.moved(new, list(texts), False).positions_text()
        return Others(positions, redo, kept_commits(len(redo)), newest_buckets(writes))

    def _spread(self, claim: Claim, track: Track, new: int, steps: Sequence[Step]) -> None:
        """Let the other shards take what the state shard has decided."""
        codes, near = self._calls.take(claim, track, steps)
        if codes <= _APPLIED:
            self._tracks[claim.unit] = track.moved(new, [step.shard for step in steps], near)
        else:  # a claim that came late has taken a shard away; whoever has the state shard takes it back
            self._level(claim, track.shards)

    def _track(self, claim: Claim) -> Track:
        """Where the unit's shards are. Raises as `_level` does, if that is not known here."""
        track = self._tracks.get(claim.unit)
        if track is None or (track.owner, track.epochs[0]) != (claim.owner, claim.epoch):
            with self._nodes.at(Keys.of(claim.unit).units) as node:
                shards = node.shards(claim.unit)
            track = self._level(claim, shards)
        return track

    def _level(self, claim: Claim, shards: int) -> Track:
        """Claim the other shards, and let each take what it has missed.

        Raises:
            Fenced: another owner has claimed the unit.
            SuspectGeneration: a shard has forgotten more than the state shard keeps.
        """
        for _ in range(_LOOKS):
            track = self._levelled(claim, shards)
            if track is not None:
                self._tracks[claim.unit] = track
                return track
        raise StorageUnavailable(
            f"{unit_name(claim.unit)} of {claim.unit.learner} is claimed by others again and again."
        )

    def _levelled(self, claim: Claim, shards: int) -> Track | None:
        """None: somebody has interfered."""
        position, text = self._state(claim)
        track = Track(claim.owner, position, (claim.epoch, *[0] * (shards - 1)), positions_of(text, shards))
        if shards == 1:
            return track
        claims = self._calls.claims(claim, range(1, shards))
        track = replace(
            track, epochs=(claim.epoch, *(epoch for epoch, _, _ in claims)), near=any(n for _, _, n in claims)
        )
        found = {shard: at for shard, (_, at, _) in enumerate(claims, 1) if at != track.positions[shard]}
        if not found:
            return track
        steps = self._missed(claim, track, found)
        ahead = {shard: found[shard] for shard, part in steps.items() if part is None}
        if ahead:
            self._must_be_ahead(claim, (position, text), ahead)
            track = replace(track, positions=tuple(ahead.get(shard, at) for shard, at in enumerate(track.positions)))
        for turn in zip_longest(*filter(None, steps.values())):
            codes, _ = self._calls.take(claim, track, [step for step in turn if step is not None])
            if not codes <= _APPLIED:
                return None
        return track

    def _missed(self, claim: Claim, track: Track, found: Mapping[int, int | None]) -> dict[int, list[Step] | None]:
        with self._nodes.at(Keys.of(claim.unit).units) as node:
            kept = [Redo.of_bytes(part) for part in node.redo(claim.unit)]
        return {shard: missed(kept, shard, at, track.positions[shard]) for shard, at in found.items()}

    def _must_be_ahead(
        self, claim: Claim, state: tuple[int | None, bytes | None], found: Mapping[int, int | None]
    ) -> None:
        """Check that shards that nothing leads to where they should be are ahead of the state.

        Raises:
            Fenced: it only looks so, as another owner has gone on.
            StorageUnavailable: it only looks so, as the unit was moved meanwhile.
            SuspectGeneration: a shard is behind.
        """
        if self._state(claim) != state:
            raise StorageUnavailable(f"{unit_name(claim.unit)} of {claim.unit.learner} was moved meanwhile.")
        for shard, position in found.items():
            if offset_of(position) <= offset_of(state[0]):
                raise SuspectGeneration(
                    f"{unit_name(claim.unit)} of {claim.unit.learner} is at {state[0]}, and shard {shard} of its rows "
                    f"at {position}: its node has forgotten more commits than are kept elsewhere. Raise the "
                    "learner's version, so that all of it is built anew."
                )

    def _state(self, claim: Claim) -> tuple[int | None, bytes | None]:
        """Position, and those of the other shards as they are kept. Raises Fenced, SuspectGeneration."""
        with self._nodes.at(Keys.of(claim.unit).units) as node:
            return node.state(claim)

    def _forget(self, claim: Claim) -> None:
        track = self._tracks.get(claim.unit)
        if track is not None and track.owner == claim.owner:
            self._tracks.pop(claim.unit, None)


def _must_be_level(claim: Claim, track: Track, shards: Iterable[int]) -> None:
    for shard in shards:
        if shard and track.ahead(shard):
            raise SuspectGeneration(
                f"{unit_name(claim.unit)} of {claim.unit.learner} is at {track.next}, and rows that it reads back are "
                f"at {track.positions[shard]}: the node of its state has forgotten commits. Raise the learner's "
                "version, so that all of it is built anew."
            )


def _takes(track: Track, shard: int, new: int) -> bool:
    """Whether a shard takes a commit; one that is ahead has had it.

    Raises:
        ValueError: it has had a part of it; see `Claim.cut`.
    """
    if not track.ahead(shard):
        return True
    position = track.positions[shard]
    assert position is not None
    if new > position:
        raise ValueError(f"A commit from {track.next} to {new} must end at {position}; see `Claim.cut`.")
    return False

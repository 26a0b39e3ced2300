"""What is asked of the shards of a generation, all of their nodes at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from storage.address import Address
from storage.errors import SuspectGeneration, WriteRefused, harmless
from storage.redis.eviction import must_keep
from storage.redis.fenced import code_of, fence, page_of, pages
from storage.redis.flight import Call, fly
from storage.redis.keys import Keys, number, unit_name
from storage.redis.nodes import Nodes
from storage.redis.scripts import CLAIM, COMMIT, READ, Script
from storage.redis.shards import Step, Track
from storage.unit import Claim

_PAGE = 1_000
_Script = tuple[Script, tuple[str, ...], Sequence[Any]]
"""A script, its keys and its arguments."""


class ShardCalls:
    """Each call goes to the nodes that have the shards. Raises as `fly` does. Thread-safe."""

    def __init__(self, nodes: Nodes) -> None:
        self._nodes = nodes

    def claims(self, claim: Claim, shards: Sequence[int]) -> list[tuple[int, int | None, bool]]:
        """Take these shards over; epoch and position of each, and whether a sum is near its limit there."""
        name = unit_name(claim.unit)
        self._must_keep([Keys.of(claim.unit, shard) for shard in shards])

        def claiming(keys: Keys) -> _Script:
            return CLAIM, (keys.unit(name), keys.units, keys.generation), (claim.owner, name)

        with harmless():
            replies = self._fly([claiming(Keys.of(claim.unit, shard)) for shard in shards])
        for reply in replies:
            code_of(claim.unit, reply)
        return [(epoch, number(at), bool(near)) for _, epoch, at, near in replies]

    def look(self, claim: Claim, track: Track, steps: Sequence[Step]) -> None:
        """Raise WriteRefused for a sum that a shard could not hold; nothing is written."""
        for reply in self._fly([_commit(claim, track, step, "look") for step in steps]):
            code_of(claim.unit, reply)

    def take(self, claim: Claim, track: Track, steps: Sequence[Step]) -> tuple[set[str], bool]:
        """Let each shard take a step: what they say to it, and whether a sum is near its limit.

        Raises:
            SuspectGeneration: a shard cannot hold what the state shard has decided.
        """
        replies = self._fly([_commit(claim, track, step) for step in steps])
        try:
            codes = {code_of(claim.unit, reply) for reply in replies}
        except WriteRefused as error:
            raise SuspectGeneration(
                f"Generation {claim.unit.generation} of {claim.unit.learner} holds a part of a commit only: {error} "
                "Raise the learner's version, so that all of it is built anew."
            ) from error
        return codes, any(reply[1] for reply in replies if len(reply) > 1)

    def rows(
        self, claim: Claim, track: Track, wanted: Mapping[int, Sequence[Address]]
    ) -> dict[int, list[bytes | None]]:
        """Rows that were put, by shard; each page of them checks the fence of its shard.

        Raises:
            Fenced, Gap: a shard is another's, or stands elsewhere.
        """
        parts = [
            (shard, rows[start : start + _PAGE])
            for shard, rows in wanted.items()
            for start in range(0, len(rows), _PAGE)
        ]
        found: dict[int, list[bytes | None]] = {shard: [] for shard in wanted}
        replies = self._fly([_page(claim, track, shard, rows) for shard, rows in parts])
        for (shard, rows), reply in zip(parts, replies, strict=True):
            found[shard] += page_of(claim.unit, track.next, rows, reply)
        return found

    def _must_keep(self, shards: Sequence[Keys]) -> None:
        with self._nodes.learning():
            for pool in dict.fromkeys(self._nodes.node(keys.units).pool for keys in shards):
                must_keep(pool)

    def _fly(self, scripts: Sequence[_Script]) -> list[Any]:
        with self._nodes.learning():
            return fly([Call(self._nodes.node(keys[0]).pool, script, keys, rest) for script, keys, rest in scripts])


def _page(claim: Claim, track: Track, shard: int, rows: Sequence[Address]) -> _Script:
    keys = Keys.of(claim.unit, shard)
    expected = track.positions[shard] if shard else track.next
    wanted = (*fence(track.epochs[shard], claim.owner, expected), pages(keys, rows))
    return READ, (keys.unit(unit_name(claim.unit)),), wanted


def _commit(claim: Claim, track: Track, step: Step, what: str = "") -> _Script:
    keys = Keys.of(claim.unit, step.shard)
    numbers, *texts = step.texts
    told = (*fence(track.epochs[step.shard], claim.owner, step.expected), step.new, "", numbers, "", "", what)
    return COMMIT, (keys.unit(unit_name(claim.unit)), keys.generation), (*told, *texts)

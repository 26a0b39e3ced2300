"""Rankings, read: the best members of a key, and members' scores, decayed to the newest event time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime

from schemas import Record
from storage.address import Address
from storage.descriptor import Descriptor
from storage.formats.decay import Decay
from storage.formats.merge import Merge
from storage.formats.window_reader import WindowReader
from storage.reader import Located
from storage.technology import Newest, Reads

Scored = list[tuple[str, float]]

_address = tuple.__new__  # half the time of Address(...), with each key of each request
_MORE = 10
"""Read beyond the size asked for, so that two buckets can mostly be merged without a second look."""


class RankingReader(WindowReader):
    """Reads `Ranking`. Scores that decay are those of one moment: the newest event time behind the storage."""

    format = "ranking"

    def __init__(self, locate: Callable[[], Located], record: type[Record] | None = None) -> None:
        """See `Reader`."""
        super().__init__(locate)
        self._bucket = 0

    async def top(self, key: str, size: int, *, at: datetime | None = None, fresh: bool = False) -> Scored:
        """The `size` members with the highest scores, best first, ties by member; fewer if there are fewer. About
        `fresh` see `Reader`.

        Args:
            at: where the ranking is kept by window, a moment in it. Of hopping windows, which overlap, the one that
                ends first is read: the fullest.
        """
        return (await self.top_many([key], size, at=at, fresh=fresh))[0]

    async def top_many(
        self, keys: Sequence[str], size: int, *, at: datetime | None = None, fresh: bool = False
    ) -> list[Scored]:
        """The same for many keys at once, in their order."""
        reads, descriptor = self._located(fresh)
        options, storage = descriptor.options, descriptor.storage
        begin = "" if at is None and options.get("window_ms") is None else await self._begin(reads, descriptor, at)
        keys = [begin + key for key in keys] if begin else keys
        size = min(size, options.get("size") or size)
        if size < 1 or not keys or begin is None:
            return [[] for _ in keys]
        if options.get("half_life_ms") is not None:
            return await self._top_decayed(reads, descriptor, Decay(int(options["half_life_ms"])), keys, size)
        _, found = await reads.top(descriptor, [_address(Address, (storage, key, None)) for key in keys], size)
        return found

    async def score(self, key: str, member: str, *, at: datetime | None = None, fresh: bool = False) -> float | None:
        """A member's score; None if it has none. About `at` see `top`."""
        return (await self.scores(key, [member], at=at, fresh=fresh))[0]

    async def scores(
        self, key: str, members: Sequence[str], *, at: datetime | None = None, fresh: bool = False
    ) -> list[float | None]:
        """The same for many members of a key at once, in their order."""
        reads, descriptor = self._located(fresh)
        begin = await self._begin(reads, descriptor, at)
        if begin is None:
            return [None for _ in members]
        key = begin + key
        if (decay := Decay.of(descriptor.options)) is None:
            _, found = await reads.scores(descriptor, [(Address(descriptor.storage, key), members)])
            return found[0]
        while True:
            bucket = self._bucket
            rows = [(address, members) for address in _addresses(descriptor, [key], bucket)]
            newest, found = await reads.scores(descriptor, rows)
            if self._is_newest(newest, bucket):
                break
        scales = _scales(decay, newest)
        pairs = zip(*found, strict=True)
        return [_sum(pair, scales) for pair in pairs]

    async def _top_decayed(
        self, reads: Reads, descriptor: Descriptor, decay: Decay, keys: Sequence[str], size: int
    ) -> list[Scored]:
        best: dict[str, Scored] = {}
        depth = size + _MORE
        while missing := [key for key in dict.fromkeys(keys) if key not in best]:
            merges = await self._merges(reads, descriptor, decay, missing, depth)
            for key, merge in zip(missing, merges, strict=True):
                if (found := merge.best(size)) is not None:
                    best[key] = found
            depth *= 2
        return [best[key] for key in keys]

    async def _merges(
        self, reads: Reads, descriptor: Descriptor, decay: Decay, keys: Sequence[str], depth: int
    ) -> list[Merge]:
        """Of each key the best `depth` in either bucket, with their scores in the other bucket."""
        while True:
            bucket = self._bucket
            addresses = _addresses(descriptor, keys, bucket)
            newest, found = await reads.top(descriptor, addresses, depth)
            if self._is_newest(newest, bucket):
                break
        merges = [Merge(pair, depth, _scales(decay, newest)) for pair in zip(found[::2], found[1::2], strict=True)]
        wanted = [members for merge in merges for members in merge.missing()]
        if any(wanted):
            _, scores = await reads.scores(descriptor, list(zip(addresses, wanted, strict=True)))
            for merge, pair in zip(merges, zip(scores[::2], scores[1::2], strict=True), strict=True):
                merge.fill(pair)
        return merges

    def _is_newest(self, newest: Newest, read: int) -> bool:
        """Whether the bucket that was read is the newest one; if not, the next try reads it. Many may be under way."""
        if newest.bucket is None:
            return True
        self._bucket = newest.bucket
        return newest.bucket == read


def _addresses(descriptor: Descriptor, keys: Sequence[str], bucket: int) -> list[Address]:
    """Per key its rows in this bucket and in the one before."""
    return [Address(descriptor.storage, key, each) for key in keys for each in (bucket, bucket - 1)]


def _scales(decay: Decay, newest: Newest) -> tuple[float, float]:
    bucket = newest.bucket or 0
    return decay.scale(bucket, newest), decay.scale(bucket - 1, newest)


def _sum(pair: Sequence[float | None], scales: Sequence[float]) -> float | None:
    known = [score * scale for score, scale in zip(pair, scales, strict=True) if score is not None]
    return sum(known) if known else None

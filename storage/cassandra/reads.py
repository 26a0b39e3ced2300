"""Cassandra as the models service reads it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Collection, Iterable, Sequence
from heapq import nsmallest
from itertools import groupby, islice
from typing import Any, NamedTuple
from uuid import UUID
from weakref import WeakKeyDictionary

from storage.address import Address
from storage.cassandra.address import CassandraAddress
from storage.cassandra.catalogue import CATALOGUE, LEASE, LEASES, PART, listed
from storage.cassandra.cells import slot_of
from storage.cassandra.connecting import Connecting
from storage.cassandra.fences import unit_name
from storage.cassandra.futures import Answers, Request, Wakeups
from storage.cassandra.places import PLACE, Place, place_of, writer_of
from storage.cassandra.served import NEWEST, REACHED, newest_of
from storage.cassandra.session import CassandraSession, Rows, failure
from storage.cassandra.tables import NO_BUCKET
from storage.cassandra.units import UNIT, UNITS, states, units_of
from storage.descriptor import Descriptor
from storage.errors import StorageError, StorageUnavailable
from storage.listed import Listed
from storage.technologies import lacking
from storage.technology import Newest
from storage.tick import Tick
from storage.unit import UnitState

Pair = tuple[str, float]

_RECORDS = "SELECT key, record FROM @served WHERE place = ? AND slot = ? AND key IN ? AND bucket = ?"
_TOTALS = "SELECT key, item, total FROM @served WHERE place = ? AND slot = ? AND key IN ? AND bucket = ?"
_SOME_TOTALS = "SELECT key, item, total FROM @served WHERE place = ? AND slot = ? AND key = ? AND bucket = ? LIMIT ?"
_SCORES = "SELECT item, score FROM @served WHERE place = ? AND slot = ? AND key = ? AND bucket = ?"
_SOME_SCORES = f"{_SCORES} AND item IN ?"
_KEYS = "SELECT key FROM @served WHERE place = ? AND slot = ? GROUP BY place, slot, key LIMIT ?"
_SOME = "SELECT key FROM @served WHERE place = ? AND slot = ? LIMIT ?"
_COUNT = "SELECT COUNT(*) FROM @served WHERE place = ? AND slot = ?"
_STATEMENTS = (
    CATALOGUE, LEASES, LEASE, UNITS, UNIT, PLACE, NEWEST, REACHED,
    _RECORDS, _TOTALS, _SOME_TOTALS, _SCORES, _SOME_SCORES, _KEYS, _SOME, _COUNT,
)  # fmt: skip
_KNOWN = 1.0  # seconds for which a storage's place is taken to be what it was
_LEASED = 86_400  # seconds that a lease is kept beyond its end
_COUNTED, _UNITS = 2_000, 8
_CONNECT = 5.0  # seconds; the driver asks for the topology and the schema first
_TOGETHER, _IN_ONE = 1_000, 100

_Wanted = tuple[str, UUID, int, str]
"""Statement, place, slot and key."""


class _Loop(NamedTuple):
    """What belongs to one event loop."""

    wakeups: Wakeups
    rows: Tick[_Wanted, Rows]


class CassandraReads:
    """One Cassandra cluster, by its url; see `address.py`. For any number of event loops.

    What is asked for in one tick of the loop is asked for together, one request for each partition; the nodes answer in
    parallel.
    """

    def __init__(self, url: str, timeout: float = 1.0) -> None:
        """Connects with the first call, in a thread of its own, as the driver blocks while it does.

        Args:
            timeout: seconds without an answer until StorageUnavailable.
        """
        self._session = CassandraSession(CassandraAddress.of(url), timeout)
        self._connecting = Connecting(self._session, _STATEMENTS)
        self._timeout = timeout
        self._loops: WeakKeyDictionary[asyncio.AbstractEventLoop, _Loop] = WeakKeyDictionary()
        self._places: dict[tuple[str, str], tuple[float, Place]] = {}

    async def listed(self) -> Listed:
        """See `Reads.listed`."""
        [found] = await self._ask([(CATALOGUE, [PART])])
        return listed(found)

    async def lease(self, titles: Collection[str], until_ms: int) -> None:
        """See `Reads.lease`. Those that have ended for long vanish by themselves."""
        lasting = _LEASED + max(0, until_ms // 1000 - int(time.time()))
        await self._ask([(LEASE, [lasting, until_ms, PART, title]) for title in titles])

    async def units(self, descriptor: Descriptor) -> list[UnitState]:
        """See `Reads.units`."""
        [found] = await self._ask([(UNITS, [writer_of(descriptor)])])
        units = [unit for unit in units_of(descriptor, found) if unit.topic == descriptor.topic]
        fences = await self._ask([(UNIT, [unit_name(unit)]) for unit in units])
        place = await self._place(descriptor, "") if units else None
        [rows] = await self._ask([(REACHED, [place.id])]) if place else [[]]
        return states(units, fences, rows)

    async def rows(self, descriptor: Descriptor, keys: Sequence[str]) -> list[bytes | None]:
        """See `Reads.rows`."""
        found = await self._by_key(_RECORDS, descriptor, keys)
        return [bytes(cells[-1][1]) if cells else None for cells in found]

    async def sums(self, descriptor: Descriptor, keys: Sequence[str]) -> list[dict[str, int]]:
        """See `Reads.sums`."""
        return [_summed(cells) for cells in await self._by_key(_TOTALS, descriptor, keys)]

    async def some_sums(self, descriptor: Descriptor, key: str, size: int) -> dict[str, int]:
        """See `Reads.some_sums`. Each unit's part of a field counts; of the last field one may be missing."""
        place = await self._place(descriptor)
        if place is None:
            return {}
        most = max(_COUNTED, _UNITS * size)
        where = [place.id, slot_of(key.encode(), place.slots), key, NO_BUCKET]
        [cells] = await self._ask([(_SOME_TOTALS, [*where, most])])
        found = _summed(cells)
        if len(cells) == most:
            found.popitem()
        return dict(islice(found.items(), size))

    async def top(self, descriptor: Descriptor, rows: Sequence[Address], size: int) -> tuple[Newest, list[list[Pair]]]:
        """See `Reads.top`. Reads whole rows, as what is best is known only when the units are merged."""
        newest, found = await self._ranked(descriptor, [(row, None) for row in rows])
        return newest, [nsmallest(size, row.items(), key=_best_first) for row in found]

    async def scores(
        self, descriptor: Descriptor, rows: Sequence[tuple[Address, Sequence[str]]]
    ) -> tuple[Newest, list[list[float | None]]]:
        """See `Reads.scores`."""
        newest, found = await self._ranked(descriptor, rows)
        return newest, [[row.get(member) for member in members] for row, (_, members) in zip(found, rows, strict=True)]

    async def nearest(self, descriptor: Descriptor, vector: bytes, size: int) -> list[Pair]:
        """See `Reads.nearest`."""
        raise lacking("cassandra", "nearest", descriptor.title)

    async def search(self, descriptor: Descriptor, text: str, size: int) -> list[Pair]:
        """See `Reads.search`."""
        raise lacking("cassandra", "search", descriptor.title)

    async def keys(self, descriptor: Descriptor, size: int) -> list[str]:
        """See `Reads.keys`. Looks into one slot after the other until there are enough."""
        place = await self._place(descriptor)
        found: dict[str, None] = {}
        for slot in range(place.slots if place else 0):
            assert place is not None
            [rows] = await self._ask([(_KEYS, [place.id, slot, size])])
            found.update((key, None) for (key,) in rows)
            if len(found) >= size:
                break
        return list(found)[:size]

    async def count(self, descriptor: Descriptor) -> int | None:
        """See `Reads.count`. Each unit's part of a row counts; None where there are many."""
        place = await self._place(descriptor)
        if place is None:
            return 0
        [some] = await self._ask([(_SOME, [place.id, 0, _COUNTED])])
        if len(some) == _COUNTED:
            return None
        counts = await self._ask([(_COUNT, [place.id, slot]) for slot in range(place.slots)])
        return sum(int(rows[0][0]) for rows in counts)

    async def size(self, descriptor: Descriptor) -> int | None:
        """See `Reads.size`. Cassandra knows it of whole tables only."""
        return None

    async def close(self) -> None:
        """See `Reads.close`."""
        await asyncio.to_thread(self._session.close)

    async def _by_key(self, statement: str, descriptor: Descriptor, keys: Sequence[str]) -> list[Rows]:
        """The cells of each row."""
        place = await self._place(descriptor) if keys else None
        if place is None:
            return [[] for _ in keys]
        slots = place.slots
        return await self._loop().rows.ask([(statement, place.id, slot_of(key.encode(), slots), key) for key in keys])

    async def _partly(self, wanted: Sequence[_Wanted]) -> list[Rows]:
        """The cells of each row that is wanted by somebody, with one request for each slot, or more if it is long."""
        asked: dict[tuple[Any, ...], dict[str, None]] = {}
        for *partition, key in wanted:
            asked.setdefault(tuple(partition), {})[key] = None
        requests = [(*where, page) for where, keys in asked.items() for page in _pages(list(keys))]
        answers = await self._ask([(statement, [*where, page, NO_BUCKET]) for statement, *where, page in requests])
        found: dict[_Wanted, Rows] = {}
        for (statement, place, slot, _), cells in zip(requests, answers, strict=True):
            for cell in cells:
                found.setdefault((statement, place, slot, cell[0]), []).append(cell)
        return [found.get(one, []) for one in wanted]

    async def _ranked(
        self, descriptor: Descriptor, rows: Sequence[tuple[Address, Sequence[str] | None]]
    ) -> tuple[Newest, list[dict[str, float]]]:
        """The scores of rows' members, or of some of their members, and the newest where rows have buckets."""
        place = await self._place(descriptor) if rows else None
        if place is None:
            return Newest(), [{} for _ in rows]
        requests: list[Request] = [(NEWEST, [place.id])] if any(row.bucket is not None for row, _ in rows) else []
        wanted = [place_ for place_ in enumerate(rows) if place_[1][1] is None or len(place_[1][1])]
        for _, (row, members) in wanted:
            bucket = NO_BUCKET if row.bucket is None else row.bucket
            where = [place.id, slot_of(row.key.encode(), place.slots), row.key, bucket]
            requests.append((_SCORES, where) if members is None else (_SOME_SCORES, [*where, list(members)]))
        answers = await self._ask(requests)
        newest = newest_of(answers[0]) if len(requests) > len(wanted) else Newest()
        found: list[dict[str, float]] = [{} for _ in rows]
        for (number, _), answer in zip(wanted, answers[len(requests) - len(wanted) :], strict=True):
            found[number] = {member: sum(score for _, score in cells) for member, cells in groupby(answer, key=_member)}
        return newest, found

    async def _place(self, descriptor: Descriptor, storage: str | None = None) -> Place | None:
        """Where a storage's rows are, this one's or those of another of the same writer. A place that is left is empty,
        so that what is remembered is never wrong."""
        key = writer_of(descriptor), descriptor.storage if storage is None else storage
        until, known = self._places.get(key, (0.0, None))
        if known is not None and time.monotonic() < until:
            return known
        [rows] = await self._ask([(PLACE, key)])
        found = place_of(rows)
        if found is not None:
            self._places[key] = time.monotonic() + _KNOWN, found
        return found

    async def _ask(self, requests: Sequence[Request]) -> list[Rows]:
        """What each request answers."""
        if not requests:
            return []
        try:
            async with asyncio.timeout(max(self._timeout, _CONNECT)):
                await self._connecting.done()
            async with asyncio.timeout(self._timeout):
                answers = Answers(self._loop().wakeups, len(requests))
                for number, (statement, values) in enumerate(requests):
                    answers.expect(number, self._session.send(statement, values))
                return await answers.future
        except TimeoutError as error:
            where = self._session.address.where
            raise StorageUnavailable(f"Cassandra at {where} does not answer in time.") from error
        except StorageError:
            raise
        except Exception as error:
            raise failure(error, self._session.address) from error

    def _loop(self) -> _Loop:
        loop = asyncio.get_running_loop()
        found = self._loops.get(loop)
        if found is None:
            found = self._loops[loop] = _Loop(Wakeups(loop), Tick(self._partly, _TOGETHER))
        return found


def _pages(keys: list[str]) -> Iterable[list[str]]:
    return (keys[start : start + _IN_ONE] for start in range(0, len(keys), _IN_ONE))


def _summed(cells: Rows) -> dict[str, int]:
    """Each field's total, over the units."""
    row: dict[str, int] = {}
    for _, field, total in cells:
        row[field] = row.get(field, 0) + total
    return row


def _member(row: tuple[str, float]) -> str:
    return row[0]


def _best_first(scored: Pair) -> tuple[float, str]:
    return -scored[1], scored[0]

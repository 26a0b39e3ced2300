"""Cassandra as the models service reads it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Collection, Iterable, Sequence
from heapq import nsmallest
from itertools import groupby
from typing import Any
from weakref import WeakKeyDictionary

from storage.address import Address
from storage.alias import Alias, Name
from storage.cassandra_address import CassandraAddress
from storage.cassandra_catalogue import CATALOGUE, LEASE, LEASES, PART, aliases, descriptors
from storage.cassandra_cells import slot_of
from storage.cassandra_connecting import Connecting
from storage.cassandra_futures import Answers, Request, Wakeups
from storage.cassandra_places import PLACE, Place, place_of, writer_of
from storage.cassandra_served import NEWEST, newest_of
from storage.cassandra_session import CassandraSession, Rows, failure
from storage.cassandra_state import unit_name
from storage.cassandra_tables import NO_BUCKET
from storage.cassandra_units import UNIT, UNITS, states, units_of
from storage.descriptor import Descriptor
from storage.errors import StorageError, StorageUnavailable
from storage.technologies import lacking
from storage.technology import Newest
from storage.unit import UnitState

Pair = tuple[str, float]

_RECORDS = "SELECT key, record FROM @served WHERE place = ? AND slot = ? AND key IN ? AND bucket = ?"
_TOTALS = "SELECT key, item, total FROM @served WHERE place = ? AND slot = ? AND key IN ? AND bucket = ?"
_SCORES = "SELECT item, score FROM @served WHERE place = ? AND slot = ? AND key = ? AND bucket = ?"
_SOME_SCORES = f"{_SCORES} AND item IN ?"
_KEYS = "SELECT key FROM @served WHERE place = ? AND slot = ? GROUP BY place, slot, key LIMIT ?"
_SOME = "SELECT key FROM @served WHERE place = ? AND slot = ? LIMIT ?"
_COUNT = "SELECT COUNT(*) FROM @served WHERE place = ? AND slot = ?"
_STATEMENTS = (
    CATALOGUE, LEASES, LEASE, UNITS, UNIT, PLACE, NEWEST,
    _RECORDS, _TOTALS, _SCORES, _SOME_SCORES, _KEYS, _SOME, _COUNT,
)  # fmt: skip
_KNOWN = 1.0  # seconds for which a storage's place is taken to be what it was
_LEASED = 86_400  # seconds that a lease is kept beyond its end
_COUNTED = 2_000


class CassandraReads:
    """One Cassandra cluster, by its url; see `cassandra_address.py`. For any number of event loops.

    What a call asks for is asked for at once, one request for each partition; the nodes answer in parallel.
    """

    def __init__(self, url: str, timeout: float = 1.0) -> None:
        """Connects with the first call, in a thread of its own, as the driver blocks while it does.

        Args:
            timeout: seconds without an answer until StorageUnavailable.
        """
        self._session = CassandraSession(CassandraAddress.of(url), timeout)
        self._connecting = Connecting(self._session, _STATEMENTS)
        self._timeout = timeout
        self._wakeups: WeakKeyDictionary[asyncio.AbstractEventLoop, Wakeups] = WeakKeyDictionary()
        self._places: dict[tuple[str, str], tuple[float, Place]] = {}

    async def catalogue(self) -> list[Descriptor]:
        """See `Reads.catalogue`."""
        [found] = await self._ask([(CATALOGUE, [PART])])
        return descriptors(found)

    async def aliases(self) -> dict[Name, Alias]:
        """See `Reads.aliases`."""
        [found] = await self._ask([(CATALOGUE, [PART])])
        return aliases(found)

    async def lease(self, titles: Collection[str], until_ms: int) -> None:
        """See `Reads.lease`. Those that have ended for long vanish by themselves."""
        lasting = _LEASED + max(0, until_ms // 1000 - int(time.time()))
        await self._ask([(LEASE, [lasting, until_ms, PART, title]) for title in titles])

    async def units(self, descriptor: Descriptor) -> list[UnitState]:
        """See `Reads.units`."""
        [found] = await self._ask([(UNITS, [writer_of(descriptor)])])
        units = [unit for unit in units_of(descriptor, found) if unit.topic == descriptor.topic]
        return states(units, await self._ask([(UNIT, [unit_name(unit)]) for unit in units]))

    async def rows(self, descriptor: Descriptor, keys: Sequence[str]) -> list[bytes | None]:
        """See `Reads.rows`."""
        found: dict[str, bytes] = {}
        for key, record in await self._by_key(_RECORDS, descriptor, keys):
            found[key] = bytes(record)
        return [found.get(key) for key in keys]

    async def sums(self, descriptor: Descriptor, keys: Sequence[str]) -> list[dict[str, int]]:
        """See `Reads.sums`."""
        found: dict[str, dict[str, int]] = {}
        for key, field, total in await self._by_key(_TOTALS, descriptor, keys):
            row = found.setdefault(key, {})
            row[field] = row.get(field, 0) + total
        return [dict(found.get(key, ())) for key in keys]

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

    async def _by_key(self, statement: str, descriptor: Descriptor, keys: Sequence[str]) -> Iterable[tuple[Any, ...]]:
        """The cells of rows, one request for each slot."""
        place = await self._place(descriptor) if keys else None
        if place is None:
            return ()
        slots: dict[int, set[str]] = {}
        for key in keys:
            slots.setdefault(slot_of(key.encode(), place.slots), set()).add(key)
        found = await self._ask([(statement, [place.id, slot, list(some), NO_BUCKET]) for slot, some in slots.items()])
        return (row for rows in found for row in rows)

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

    async def _place(self, descriptor: Descriptor) -> Place | None:
        """Where a storage's rows are. A place that is left is empty, so that what is remembered is never wrong."""
        key = writer_of(descriptor), descriptor.storage
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
            async with asyncio.timeout(self._timeout):
                await self._connecting.done()
                answers = Answers(self._wakeup(), len(requests))
                for number, (statement, values) in enumerate(requests):
                    answers.expect(number, self._session.send(statement, values))
                return await answers.future
        except TimeoutError as error:
            where = self._session.address.where
            raise StorageUnavailable(f"Cassandra at {where} does not answer within {self._timeout:g} s.") from error
        except StorageError:
            raise
        except Exception as error:
            raise failure(error, self._session.address) from error

    def _wakeup(self) -> Wakeups:
        loop = asyncio.get_running_loop()
        found = self._wakeups.get(loop)
        if found is None:
            found = self._wakeups[loop] = Wakeups(loop)
        return found


def _member(row: tuple[str, float]) -> str:
    return row[0]


def _best_first(scored: Pair) -> tuple[float, str]:
    return -scored[1], scored[0]

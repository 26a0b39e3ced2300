"""Redis as learners write it: rows and fence in one hash slot, each step of the protocol atomic."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, cast

import redis

from storage.address import Address
from storage.alias import Alias, Name
from storage.descriptor import Descriptor
from storage.errors import Fenced, Gap, SuspectGeneration, WriteRefused
from storage.redis_catalogue import RedisCatalogue
from storage.redis_dump import dumped
from storage.redis_fill import erase, fill, trim
from storage.redis_keys import NEWEST, UNIT, Keys, newest, unit_name, unit_names, unit_state
from storage.redis_pool import discovering, harmless, pool, run_command
from storage.redis_scripts import CLAIM, COMMIT, READ, Script, run
from storage.redis_watched import Puts, put_watched
from storage.redis_writes import as_text, fields_by_hash, only_puts, packed, packed_keys
from storage.technologies import must_hold
from storage.technology import Newest, Row
from storage.unit import Claim, Outcome, UnitId, UnitState
from storage.writes import Writes

_PAGE = 1_000


class Redis:
    """One Redis (6.2 or later) or Valkey, by its url; `rediss://` for TLS. Thread-safe: a call holds one connection.

    Rows that were put are the fields of one hash per storage, so that any number of them is written, read and checked
    by one command each.
    """

    name = "redis"

    def __init__(self, url: str, timeout: float = 5.0) -> None:
        """Connects with the first call.

        Args:
            timeout: seconds without an answer after which a call gives up.
        """
        self._pool = pool(url, timeout)
        self._client = redis.Redis(connection_pool=self._pool)
        self._catalogue = RedisCatalogue(self._pool, self._client)

    def declare(self, descriptor: Descriptor) -> Descriptor:
        """See `Technology.declare`."""
        must_hold(self.name, descriptor)
        return self._catalogue.declare(descriptor)

    def storages(self) -> list[Descriptor]:
        """See `Technology.storages`."""
        return self._catalogue.storages()

    def aliases(self) -> dict[Name, Alias]:
        """See `Technology.aliases`."""
        return self._catalogue.aliases()

    def point(self, descriptors: Sequence[Descriptor]) -> None:
        """See `Technology.point`."""
        self._catalogue.point(descriptors)

    def switch(self, descriptors: Sequence[Descriptor]) -> None:
        """See `Technology.switch`."""
        self._catalogue.switch(descriptors)

    def alter(self, existing: Descriptor, wanted: Descriptor) -> bool:
        """See `Technology.alter`."""
        return self._catalogue.alter(existing, wanted)

    def leases(self) -> dict[str, int]:
        """See `Technology.leases`."""
        return self._catalogue.leases()

    def fill(self, descriptor: Descriptor, writes: Writes) -> None:
        """See `Technology.fill`."""
        with discovering(self._pool):
            fill(self._client, descriptor, writes)

    def erase(self, descriptor: Descriptor) -> None:
        """See `Technology.erase`."""
        self.erase_rows(descriptor, self.is_last(descriptor))
        self.forget(descriptor)

    def trim(self, descriptor: Descriptor, bucket: int) -> None:
        """See `Technology.trim`. Goes through all keys of the database, in pages that hold nobody up."""
        with discovering(self._pool):
            trim(self._client, descriptor, bucket)

    def is_last(self, descriptor: Descriptor) -> bool:
        """Whether no other storage of its generation is left."""
        writer = descriptor.learner, descriptor.generation
        same = [item for item in self.storages() if (item.learner, item.generation) == writer]
        return all((item.storage, item.version) == (descriptor.storage, descriptor.version) for item in same)

    def erase_rows(self, descriptor: Descriptor, last: bool) -> None:
        """Remove a version's rows, and if it `is_last` its units before them."""
        with discovering(self._pool):
            erase(self._client, descriptor, last)

    def forget(self, descriptor: Descriptor) -> None:
        """Remove a version's descriptor, and the alias that leads to it."""
        self._catalogue.forget(descriptor)

    def slots(self) -> list[Any]:
        """What this node of a cluster says of the cluster's slots; see `redis_slots.py`."""
        return cast(list[Any], run_command(self._pool, "CLUSTER", "SLOTS"))

    def claim(self, unit: UnitId, owner: str) -> Claim:
        """See `Technology.claim`."""
        keys, name = Keys.of(unit), unit_name(unit)
        with harmless():
            reply = run(self._pool, CLAIM, (keys.unit(name), keys.units), owner, name)
        _code(unit, reply)
        _, epoch, position = reply
        return Claim(unit, epoch, owner, None if position is None else int(position))

    def read(self, claim: Claim, expected: int | None, rows: Sequence[Address]) -> list[bytes | None]:
        """See `Technology.read`. In pages; each checks the fence, so that all are of one moment."""
        found: list[bytes | None] = []
        for start in range(0, max(1, len(rows)), _PAGE):
            found += self._page(claim, expected, rows[start : start + _PAGE])
        return found

    def commit(self, claim: Claim, expected: int | None, new: int, writes: Writes, watermark_ms: int | None) -> Outcome:
        """See `Technology.commit`. It holds up all else in Redis: 1 us for a record, 1.5 us for an item of a
        wide row, 3 us for a row of one item."""
        keys = Keys.of(claim.unit)
        with as_text():
            if only_puts(writes):
                unit, rows = keys.unit(unit_name(claim.unit)), fields_by_hash(keys, writes.puts)
                reply = put_watched(self._pool, Puts(unit, claim, expected, new, rows, watermark_ms))
            else:
                watermark = "" if watermark_ms is None else watermark_ms
                reply = self._fenced(COMMIT, claim, expected, new, watermark, *packed(keys, writes))
        return Outcome[_code(claim.unit, reply)]

    def units(self, descriptor: Descriptor) -> list[UnitState]:
        """See `Technology.units`."""
        keys = Keys.of(descriptor)
        with discovering(self._pool):
            names = unit_names(descriptor, cast(set[bytes], self._client.smembers(keys.units)))
            pipeline = self._client.pipeline(transaction=False)
            for name in names:
                pipeline.hmget(keys.unit(name), UNIT)
            return [
                unit_state(descriptor, name, values) for name, values in zip(names, pipeline.execute(), strict=True)
            ]

    def newest(self, descriptor: Descriptor) -> Newest:
        """See `Technology.newest`."""
        with discovering(self._pool):
            values = self._client.hmget(Keys.of(descriptor).storage(descriptor.storage), NEWEST)
            return newest(cast(list[bytes | None], values))

    def dump(self, descriptor: Descriptor) -> Iterator[tuple[Address, Row]]:
        """See `Technology.dump`. Goes through all keys of the database, in pages that hold nobody up."""
        with discovering(self._pool):
            yield from dumped(self._client, descriptor)

    def close(self) -> None:
        """See `Technology.close`."""
        self._pool.close()

    def _page(self, claim: Claim, expected: int | None, rows: Sequence[Address]) -> list[bytes | None]:
        storages: dict[str, list[str]] = {}
        for row in rows:
            storages.setdefault(row.storage, []).append(row.key)
        keys = Keys.of(claim.unit)
        payload = packed_keys([(keys.records(storage), wanted) for storage, wanted in storages.items()])
        reply = self._fenced(READ, claim, expected, payload)
        code = _code(claim.unit, reply)
        if code == "FENCED":
            raise Fenced(f"{unit_name(claim.unit)} of {claim.unit.learner} was claimed by another worker; claim again.")
        if code == "GAP":
            raise Gap(f"{unit_name(claim.unit)} of {claim.unit.learner} does not stand at {expected}; claim again.")
        values = {storage: iter(found) for storage, found in zip(storages, reply[1], strict=True)}
        return [next(values[row.storage]) for row in rows]

    def _fenced(self, script: Script, claim: Claim, expected: int | None, *arguments: str | bytes | float) -> Any:
        fence = (claim.epoch, claim.owner, "" if expected is None else expected)
        unit = Keys.of(claim.unit).unit(unit_name(claim.unit))
        return run(self._pool, script, (unit,), *fence, *arguments)


def _code(unit: UnitId, reply: Sequence[Any]) -> str:
    """What a script of a unit answered first.

    Raises:
        SuspectGeneration, WriteRefused: what no outcome says.
    """
    code, *details = reply
    if code == b"SUSPECT":
        raise SuspectGeneration(
            f"Generation {unit.generation} of {unit.learner} is not to be trusted: {details[0].decode()}."
        )
    if code == b"REFUSED":
        row, item = (detail.decode() for detail in details)
        raise WriteRefused(f"{item!r} of {row} would leave what a double holds exactly; nothing was written.")
    return str(code.decode())

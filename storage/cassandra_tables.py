"""Where things are in Cassandra: a few tables for all storages, so that the schema stays as it is once it is made.

    state      what a unit's fold has made, exactly as of `next`; changed by conditional batches alone
    served     copies of those rows for readers: one cell for each unit, which readers merge
    units      which units a generation has
    places     where a storage's served rows are: a random id, and into how many slots they are spread
    catalogue  descriptors and aliases, in one partition, so that several change in one step
    leases     until when a version is read; all that a reader writes

A unit is "learner@generation/topic/partition", and writes under "topic/partition" in `served`; a writer is
"learner@generation". A row of a storage is in slot `crc32(key) % slots`, with bucket `NO_BUCKET` where it has none. It
has one item "" with a `record`, or many with a `total` (a counter's fields) or a `score` (a ranking's members). A
storage's newest bucket and event time are totals too, the items "bucket" and "at": in `state` those of the storage ""
under the key of its name, in `served` those in the slot `ABOUT`.

A storage that is erased loses its place; whoever writes it again gets a new one, so that what is late is never read.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any
from uuid import UUID, uuid4, uuid5

from storage.errors import StorageUnavailable

NO_BUCKET = -(2**63)
ABOUT = -1
BUCKET, AT = "bucket", "at"
COLUMNS = ("record", "total", "score")
RECORD, TOTAL, SCORE = range(3)

_VALUES = "record blob, total bigint, score double"
_TABLES = {
    "state": "unit text, storage text, key text, bucket bigint, item text, epoch bigint static, owner text static, "
    f"next bigint static, watermark bigint static, {_VALUES}, PRIMARY KEY ((unit), storage, key, bucket, item)",
    "served": f"place uuid, slot int, key text, bucket bigint, item text, unit text, {_VALUES}, "
    "PRIMARY KEY ((place, slot), key, bucket, item, unit)",
    "units": "writer text, topic text, partition int, PRIMARY KEY ((writer), topic, partition)",
    "places": "writer text, storage text, place uuid, slots int, PRIMARY KEY ((writer), storage)",
    "catalogue": "part text, kind text, name text, value text, PRIMARY KEY ((part), kind, name)",
    "leases": "part text, title text, until bigint, PRIMARY KEY ((part), title)",
}
_LOCK = UUID("6d696c6c-7261-4365-8000-000000000001")
"""The lock's table has the same id whoever makes it, so that two who make it at once make the same one."""
_HELD, _PAUSE = 60, 0.05  # seconds that a lock outlives its owner, and between two looks at it

Ask = Callable[[str], Any]
"""Runs a statement; its rows are tuples."""


def missing(ask: Ask, keyspace: str) -> list[str]:
    """The tables that do not exist yet."""
    found = ask(f"SELECT table_name FROM system_schema.tables WHERE keyspace_name = '{keyspace}'")
    there = {name for (name,) in found}
    return [name for name in _TABLES if name not in there]


def make(ask: Ask, keyspace: str, replication: dict[str, int]) -> None:
    """Make what does not exist. Several processes may do so at once: one makes the tables, the others wait for it.

    Two nodes that make a table at the same moment make two of one name, which Cassandra does not survive; hence a lock.

    Raises:
        StorageUnavailable: whoever holds the lock does not come to an end.
    """
    copies = replication or {"replication_factor": min(3, _nodes(ask))}
    strategy = json.dumps({"class": "NetworkTopologyStrategy", **copies}).replace('"', "'")
    ask(f"CREATE KEYSPACE IF NOT EXISTS {keyspace} WITH replication = {strategy}")
    making = f"CREATE TABLE IF NOT EXISTS {keyspace}.making (part text PRIMARY KEY, owner text)"
    ask(f"{making} WITH id = {uuid5(_LOCK, keyspace)}")
    owner = str(uuid4())
    until = time.monotonic() + 2 * _HELD
    while not _taken(ask, keyspace, owner):
        if not missing(ask, keyspace):
            return
        if time.monotonic() > until:
            raise StorageUnavailable(f"The tables of the keyspace {keyspace} are being made by another, endlessly.")
        time.sleep(_PAUSE)
    for name in missing(ask, keyspace):
        ask(f"CREATE TABLE IF NOT EXISTS {keyspace}.{name} ({_TABLES[name]})")
    ask(f"DELETE FROM {keyspace}.making WHERE part = 'tables' IF owner = '{owner}'")


def _taken(ask: Ask, keyspace: str, owner: str) -> bool:
    insert = f"INSERT INTO {keyspace}.making (part, owner) VALUES ('tables', '{owner}') IF NOT EXISTS USING TTL {_HELD}"
    return bool(next(iter(ask(insert)))[0])


def _nodes(ask: Ask) -> int:
    return 1 + len(list(ask("SELECT peer FROM system.peers_v2")))

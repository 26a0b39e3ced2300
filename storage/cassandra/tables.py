"""Where things are in Cassandra: a few tables for all storages, so that the schema stays as it is once it is made.

    fences     who has a unit and how far it is; changed by conditional updates alone
    redos      what the last commit of a unit writes, until that is served; see `redo.py`
    served     the rows: one cell for each unit, which readers merge
    units      which units a generation has
    places     where a storage's rows are: a random id, and into how many slots they are spread
    catalogue  descriptors and aliases, in one partition, so that several change in one step
    leases     until when a version is read; all that a reader writes

A unit is "learner@generation/topic/partition" in `fences` and `redos`, and "topic/partition" in `served`; a writer is
"learner@generation". A row of a storage is in slot `crc32(key) % slots`, with bucket `NO_BUCKET` where it has none. It
has one item "" with a `record`, or many with a `total` (a counter's fields) or a `score` (a ranking's members). What is
said of a storage are totals too, in the slot `ABOUT`: its newest bucket and event time are the items "bucket" and "at".
Of the writer's storage "" they are the items "next" and "watermark": up to where a unit's rows can be read.

A cell is written under its unit's position as timestamp, and one more, but for those of a load, which has none.

A storage that is erased loses its place; whoever writes it again gets a new one, so that what is late is never read.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any
from uuid import UUID, uuid4, uuid5

from storage.errors import StorageError, StorageUnavailable

NO_BUCKET = -(2**63)
ABOUT = -1
BUCKET, AT = "bucket", "at"
NEXT, WATERMARK = "next", "watermark"
COLUMNS = ("record", "total", "score")
RECORD, TOTAL, SCORE = range(3)

_VALUES = "record blob, total bigint, score double"
_TABLES = {
    "fences": "unit text PRIMARY KEY, epoch bigint, owner text, next bigint, watermark bigint, mover text",
    "redos": "unit text, next bigint, owner text, redo blob, PRIMARY KEY ((unit), owner, next)",
    "served": f"place uuid, slot int, key text, bucket bigint, item text, unit text, {_VALUES}, "
    "PRIMARY KEY ((place, slot), key, bucket, item, unit)",
    "units": "writer text, topic text, partition int, PRIMARY KEY ((writer), topic, partition)",
    "places": "writer text, storage text, place uuid, slots int, PRIMARY KEY ((writer), storage)",
    "catalogue": "part text, kind text, name text, value text, PRIMARY KEY ((part), kind, name)",
    "leases": "part text, title text, until bigint, PRIMARY KEY ((part), title)",
}
_OPTIONS = {"redos": " WITH gc_grace_seconds = 3600"}
"""Each commit removes the redo before it; if one came back, nobody would look for it."""
_EARLIER = "state"
"""A table of the layout before this one."""
_LOCK = UUID("6d696c6c-7261-4365-8000-000000000001")
"""The lock's table has the same id whoever makes it, so that two who make it at once make the same one."""
_HELD, _PAUSE = 60, 0.05  # seconds that a lock outlives its owner, and between two looks at it

Ask = Callable[[str], Any]
"""Runs a statement; its rows are tuples."""


def missing(ask: Ask, keyspace: str) -> list[str]:
    """The tables that do not exist yet.

    Raises:
        StorageError: the keyspace holds tables of an earlier layout.
    """
    found = ask(f"SELECT table_name FROM system_schema.tables WHERE keyspace_name = '{keyspace}'")
    there = {name for (name,) in found}
    if _EARLIER in there:
        raise StorageError(
            f"The keyspace {keyspace} was made by an earlier Millrace, whose rows this one does not read (it has a "
            f"table {_EARLIER!r}). Name another keyspace in cassandra_url; the learners then fold their topics again."
        )
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
        ask(f"CREATE TABLE IF NOT EXISTS {keyspace}.{name} ({_TABLES[name]}){_OPTIONS.get(name, '')}")
    ask(f"DELETE FROM {keyspace}.making WHERE part = 'tables' IF owner = '{owner}'")


def _taken(ask: Ask, keyspace: str, owner: str) -> bool:
    insert = f"INSERT INTO {keyspace}.making (part, owner) VALUES ('tables', '{owner}') IF NOT EXISTS USING TTL {_HELD}"
    return bool(next(iter(ask(insert)))[0])


def _nodes(ask: Ask) -> int:
    return 1 + len(list(ask("SELECT peer FROM system.peers_v2")))

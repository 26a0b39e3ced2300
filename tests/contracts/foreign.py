"""What another program writes into a catalogue: any text under any entry, past everything that Millrace checks."""

from __future__ import annotations

from storage.cassandra.cassandra import Cassandra
from storage.cassandra.catalogue import _Change
from storage.listed import EntryKind
from storage.redis.cluster import RedisCluster
from storage.redis.keys import ALIASES, LEASES, STORAGES
from storage.redis.redis import Redis
from storage.relational.relational import Relational
from storage.relational.tables import KEEP_ALIAS, KEEP_STORAGE
from storage.search.catalogue import CATALOGUE
from storage.search.search import Search
from storage.technology import Technology


def keep(technology: Technology, kind: EntryKind, entry: str, text: str) -> bool:
    """Write an entry that is not there; False where nobody else can write."""
    match technology:
        case Redis() | RedisCluster():
            _redis(technology)._client.hset(STORAGES if kind == "storage" else ALIASES, entry, text)
        case Relational():
            with technology._database.transaction(catalogue=True) as transaction:
                if kind == "alias":
                    transaction.run(KEEP_ALIAS, entry, text)
                else:
                    storage, _, version = entry.partition("@")
                    transaction.run(KEEP_STORAGE, storage, int(version), text)
        case Cassandra():
            assert technology._catalogue._swap([_Change(kind, entry, None, text)])
        case Search():
            found = technology._state.get(CATALOGUE)
            source = {"storages": {}, "aliases": {}} if found is None else dict(found.source)
            part = "storages" if kind == "storage" else "aliases"
            assert technology._state.swap(CATALOGUE, found, {**source, part: {**source[part], entry: text}})
        case _:
            return False
    return True


def lease(technology: Technology, title: str, until: str) -> bool:
    """Write a lease that is no number; False where only numbers can be written."""
    match technology:
        case Redis() | RedisCluster():
            _redis(technology)._client.hset(LEASES, title, until)
        case Search():
            found = technology._catalogue._leases.get("leases")
            titles = {} if found is None else found.source["titles"]
            assert technology._catalogue._leases.swap("leases", found, {"titles": {**titles, title: until}})
        case _:
            return False
    return True


def _redis(technology: Redis | RedisCluster) -> Redis:
    return technology if isinstance(technology, Redis) else technology._nodes.node(STORAGES)

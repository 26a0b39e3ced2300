"""Every technology: where its code is, what brings its driver, and what it cannot hold, in words.

A new technology is one file with `opened` and `opened_reads`, and one line here. Nothing is imported before it is used.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

FORMATS = ("counters", "ranking", "records", "vectors", "parameters", "documents")
"""Every format, in the order in which people meet them."""


@dataclass(frozen=True)
class Kind:
    """One technology.

    Attributes:
        module: has `opened(address) -> Technology` and `opened_reads(address) -> Reads`; neither connects yet.
        extra: which extra of the distribution brings its driver, where its server needs one; None = it needs none.
        refuses: format -> why it cannot be held here.
        lacks: what a format can do elsewhere and not here -> why: "nearest" (of vectors), "search" (full text), "load"
            (rows read back while folding).
        breaks: its connection fails reads at once by itself while its server is away; others get a breaker.
        address: where it is unless a setting says otherwise; empty = it is not set up then.
        near: whether it says what changes, so that rows may be kept near the reader: `opened_reads(address, bytes)`.
        schemes: an address that begins otherwise is refused before it is judged how open it is; empty = any is opened.
        rows: that a commit may hold, as `Writes.rows` counts them. Redis does nothing else meanwhile, so that its
            readers wait for about six milliseconds; where readers do not wait, many events share a row.
        bulk: the same where nobody waits for what is committed. Redis holds still for about thirty milliseconds.
    """

    module: str
    extra: str | None = None
    refuses: Mapping[str, str] = field(default_factory=dict)
    lacks: Mapping[str, str] = field(default_factory=dict)
    breaks: bool = False
    address: str = ""
    near: bool = False
    schemes: tuple[str, ...] = ()
    rows: int = 2_000
    bulk: int = 2_000


KINDS: dict[str, Kind] = {
    "memory": Kind("storage.memory.memory", breaks=True, bulk=100_000),
    "redis": Kind(
        "storage.redis.redis_or_cluster",
        "redis",
        refuses={"documents": "it has no full-text index"},
        lacks={"nearest": "it has no vector index", "search": "it has no full-text index"},
        breaks=True,
        address="redis://127.0.0.1:16379/0",
        near=True,
        schemes=("redis://", "rediss://", "redis+cluster://", "rediss+cluster://", "unix://"),
        rows=4_000,
        bulk=15_000,
    ),
    "cassandra": Kind(
        "storage.cassandra.cassandra",
        "cassandra",
        refuses={"documents": "it has no full-text index"},
        lacks={"nearest": "its vector index gives no exact order", "search": "it has no full-text index"},
        schemes=("cassandra://",),
        rows=20_000,
        bulk=20_000,
    ),
    "relational": Kind(
        "storage.relational.relational",
        "postgresql",
        address="sqlite:///.millrace/relational.db",
        schemes=("sqlite:///", "postgresql://", "postgres://"),
        rows=20_000,
        bulk=100_000,
    ),
    "search": Kind(
        "storage.search.search",
        "search",
        refuses={
            "counters": "it has no sums that are exact when a write is repeated",
            "ranking": "it has no sums that are exact when a write is repeated",
            "parameters": "a model is read back while it is trained, and its rows may be ahead of the position",
        },
        lacks={"load": "its rows may be ahead of the position for a moment"},
        schemes=("http://", "https://"),
    ),
}


def settable() -> Mapping[str, str]:
    """The technologies that have an address, each with the one that it has unless a setting says otherwise; memory
    has none, as it is in one process only."""
    return {name: found.address for name, found in KINDS.items() if name != "memory"}

"""Where things are in a relational database, and the statements that read and write them; the same in both databases.

    millrace_storages   storage, version, descriptor          "ranking/popular", 2, its descriptor as JSON
    millrace_aliases    storage, alias                        what each name stands for, as JSON
    millrace_units      learner, generation, topic, partition, epoch, owner, next, watermark_ms, committed_ms
    millrace_newest     learner, generation, storage, writer, bucket, at_ms     the newest of each writer, see `Newest`
    millrace_leases     title, until_ms                       "relational/ranking/popular@2", 1767225600000
    millrace_tables     id, learner, generation, storage, kind, options         where a storage's rows are:

    millrace_puts_<id>    key, value                          rows that were put: bytes of both
    millrace_sums_<id>    key, field, sum                     rows of sums: integers within 2^53
    millrace_scores_<id>  key, bucket, member, score          rows of scores; no bucket is -2^63

Keys, fields and members are the bytes of their UTF-8 (BLOB, bytea): every text is held, and their order is that of code
points. `kind` is "puts", "sums" or "scores". A row's tables are found by its writer's name without version, its
generation and its storage: see the descriptor. Each storage version has tables of its own, so that rows are loaded in
bulk and dropped at once, and statistics are those of one storage. `writer` in `millrace_newest` is "topic/partition",
and empty for a load. A `next` that is NULL was never committed.

Rows with the index "text" have their words besides: in SQLite a full-text table `millrace_text_<id>`, whose rowid is
that of the row; in PostgreSQL the columns `words` (tsvector) and `length` (how many words). Rows with the index
"vector" have in PostgreSQL, where it has pgvector, the column `embedding`, which repeats `value`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

from storage.entry import Rule, integer, read
from storage.errors import EntryDamaged
from storage.options import NAMES, one_of

NO_BUCKET = -(2**63)
PAGE = 1_000
"""Rows that are read at once where all are."""
LAYOUT = ("storages", "aliases", "units", "newest", "leases", "tables")
"""The tables that are always there; the last is made last."""

TRIMMED = 20_000
"""Rows that are removed at once."""

Kind = Literal["puts", "sums", "scores"]
Type = Literal["bytes", "integer", "number", "text"]
Types = tuple[Type, ...]


class Statement(NamedTuple):
    """SQL with {table}, and {0}, {1} .. where its parameters go.

    Attributes:
        types: of its parameters.
    """

    sql: str
    types: Types = ()


@dataclass(frozen=True)
class Table:
    """A table of rows.

    Attributes:
        options: of its storage, where they shape the table.
    """

    id: int
    kind: Kind
    options: Mapping[str, Any] = field(default_factory=dict, compare=False)

    @property
    def name(self) -> str:
        return f"millrace_{self.kind}_{self.id}"

    @property
    def index(self) -> str | None:
        """See `Descriptor.index`."""
        return self.options.get("index")

    @classmethod
    def of(cls, id: int, kind: Kind, options: str) -> Table:
        """As `millrace_tables` has it. Raises EntryDamaged: any program may have written it."""
        if kind not in COLUMNS:
            raise EntryDamaged(f"`kind` is not {one_of(*COLUMNS).words}")
        found = read(options, _SHAPE, _SHAPE)
        if found.get("index") == "text" and "fields" not in found:
            raise EntryDamaged("`fields` is missing")
        if found.get("pgvector") and "dimensions" not in found:
            raise EntryDamaged("`dimensions` is missing")
        return cls(id, kind, found)


_SHAPE = {
    "index": one_of("text", "vector").or_null(),
    "fields": NAMES,
    "dimensions": integer(1),
    "pgvector": Rule("true or false", lambda value: isinstance(value, bool)),
}
"""The options that shape a table."""


COLUMNS: dict[Kind, dict[str, Type]] = {
    "puts": {"key": "bytes", "value": "bytes"},
    "sums": {"key": "bytes", "field": "bytes", "sum": "integer"},
    "scores": {"key": "bytes", "bucket": "integer", "member": "bytes", "score": "number"},
}
KEYS: dict[Kind, int] = {"puts": 1, "sums": 2, "scores": 3}
"""How many of the columns, from the first, tell one row from another."""
CHECKS: dict[Kind, str] = {
    "puts": "",
    "sums": f"CHECK (sum BETWEEN {-(2**53)} AND {2**53}),",
    "scores": "CHECK (score BETWEEN -1.7976931348623157e308 AND 1.7976931348623157e308),",
}
"""NaN is no such score in PostgreSQL, and NULL in SQLite."""
TOP_INDEX = "CREATE INDEX {table}_top ON {table} (key, bucket, score DESC, member)"

PUT = "ON CONFLICT (key) DO UPDATE SET value = excluded.value"
ADD: dict[Kind, str] = {
    "sums": "ON CONFLICT (key, field) DO UPDATE SET sum = held.sum + excluded.sum",
    "scores": "ON CONFLICT (key, bucket, member) DO UPDATE SET score = held.score + excluded.score",
}
RANK = "ON CONFLICT (key, bucket, member) DO UPDATE SET score = excluded.score"

_UNIT = "learner = {0} AND generation = {1} AND topic = {2} AND partition = {3}"
_WRITER: Types = ("text", "integer", "text", "integer")
CLAIM = Statement(
    "INSERT INTO millrace_units AS held (learner, generation, topic, partition, epoch, owner)"
    " VALUES ({0}, {1}, {2}, {3}, 1, {4}) ON CONFLICT (learner, generation, topic, partition)"
    " DO UPDATE SET epoch = held.epoch + 1, owner = excluded.owner RETURNING epoch, next",
    (*_WRITER, "text"),
)
MOVE = Statement(
    "UPDATE millrace_units SET next = {6}, committed_ms = {now}, watermark_ms ="
    " CASE WHEN watermark_ms >= {7} THEN watermark_ms ELSE coalesce({7}, watermark_ms) END"
    f" WHERE {_UNIT} AND epoch = {{4}} AND owner = {{5}}"
    " AND coalesce(next, -1) = {8} AND coalesce(next, -1) <> {6} RETURNING epoch",
    (*_WRITER, "integer", "text", "integer", "integer", "integer"),
)
"""The fence: it touches one row or none, and -1 stands for a position that was never committed."""
FENCE = Statement(f"SELECT epoch, owner, next FROM millrace_units WHERE {_UNIT}", _WRITER)
UNITS = Statement(
    "SELECT partition, epoch, next, watermark_ms, committed_ms FROM millrace_units"
    " WHERE learner = {0} AND generation = {1} AND topic = {2} ORDER BY partition",
    ("text", "integer", "text"),
)
FORGET_UNITS = Statement("DELETE FROM millrace_units WHERE learner = {0} AND generation = {1}", ("text", "integer"))

_ROWS = "learner = {0} AND generation = {1} AND storage = {2}"
_OWNER: Types = ("text", "integer", "text")
SEE = Statement(
    "INSERT INTO millrace_newest AS held (learner, generation, storage, writer, bucket, at_ms)"
    " VALUES ({0}, {1}, {2}, {3}, {4}, {5}) ON CONFLICT (learner, generation, storage, writer) DO UPDATE SET"
    " bucket = CASE WHEN held.bucket >= excluded.bucket THEN held.bucket"
    " ELSE coalesce(excluded.bucket, held.bucket) END,"
    " at_ms = CASE WHEN held.at_ms >= excluded.at_ms THEN held.at_ms ELSE coalesce(excluded.at_ms, held.at_ms) END",
    (*_OWNER, "text", "integer", "integer"),
)
NEWEST = Statement(f"SELECT max(bucket), max(at_ms) FROM millrace_newest WHERE {_ROWS}", _OWNER)
FORGET_NEWEST = Statement(f"DELETE FROM millrace_newest WHERE {_ROWS}", _OWNER)

TABLES = Statement(f"SELECT id, kind, options FROM millrace_tables WHERE {_ROWS}", _OWNER)
ADD_TABLE = Statement(
    "INSERT INTO millrace_tables (learner, generation, storage, kind, options) VALUES ({0}, {1}, {2}, {3}, {4})"
    " ON CONFLICT (learner, generation, storage, kind) DO NOTHING RETURNING id",
    (*_OWNER, "text", "text"),
)
FORGET_TABLES = Statement(f"DELETE FROM millrace_tables WHERE {_ROWS}", _OWNER)

STORAGES = Statement("SELECT storage, version, descriptor FROM millrace_storages")
STORAGE = Statement(
    "SELECT descriptor FROM millrace_storages WHERE storage = {0} AND version = {1}", ("text", "integer")
)
KEEP_STORAGE = Statement(
    "INSERT INTO millrace_storages (storage, version, descriptor) VALUES ({0}, {1}, {2})"
    " ON CONFLICT (storage, version) DO UPDATE SET descriptor = excluded.descriptor",
    ("text", "integer", "text"),
)
FORGET_STORAGE = Statement("DELETE FROM millrace_storages WHERE storage = {0} AND version = {1}", ("text", "integer"))
ALIASES = Statement("SELECT storage, alias FROM millrace_aliases")
KEEP_ALIAS = Statement(
    "INSERT INTO millrace_aliases (storage, alias) VALUES ({0}, {1})"
    " ON CONFLICT (storage) DO UPDATE SET alias = excluded.alias",
    ("text", "text"),
)
FORGET_ALIAS = Statement("DELETE FROM millrace_aliases WHERE storage = {0}", ("text",))
FORGET_LEASE = Statement("DELETE FROM millrace_leases WHERE title = {0}", ("text",))
LEASES = Statement("SELECT title, until_ms FROM millrace_leases")
KEEP_LEASE = Statement(
    "INSERT INTO millrace_leases (title, until_ms) VALUES ({0}, {1})"
    " ON CONFLICT (title) DO UPDATE SET until_ms = excluded.until_ms RETURNING title",
    ("text", "integer"),
)

ROW = Statement("SELECT value FROM {table} WHERE key = {0}", ("bytes",))
SUMS = Statement("SELECT field, sum FROM {table} WHERE key = {0}", ("bytes",))
SOME_SUMS = Statement("SELECT field, sum FROM {table} WHERE key = {0} LIMIT {1}", ("bytes", "integer"))
SCORES = Statement("SELECT member, score FROM {table} WHERE key = {0} AND bucket = {1}", ("bytes", "integer"))
ROW_OF: dict[Kind, Statement] = {"puts": ROW, "sums": SUMS, "scores": SCORES}
TOP = Statement(
    "SELECT member, score FROM {table} WHERE key = {0} AND bucket = {1} ORDER BY score DESC, member LIMIT {2}",
    ("bytes", "integer", "integer"),
)
SCORE = Statement(
    "SELECT score FROM {table} WHERE key = {0} AND bucket = {1} AND member = {2}", ("bytes", "integer", "bytes")
)
SOME_KEYS = Statement(
    "WITH RECURSIVE found(key) AS (SELECT (SELECT key FROM {table} ORDER BY key LIMIT 1) UNION ALL"
    " SELECT (SELECT key FROM {table} AS later WHERE later.key > found.key ORDER BY key LIMIT 1)"
    " FROM found WHERE key IS NOT NULL) SELECT key FROM found WHERE key IS NOT NULL LIMIT {0}",
    ("integer",),
)
"""From key to key by the index, past all that a wide row has."""
TRIM = Statement(
    "DELETE FROM {table} WHERE (key, bucket, member) IN (SELECT key, bucket, member FROM {table}"
    f" WHERE bucket < {{0}} AND bucket > {NO_BUCKET} LIMIT {TRIMMED}) RETURNING bucket",
    ("integer",),
)
"""Some rows at a time, so that nobody waits long for them."""
_EXPIRE = "DELETE FROM {{table}} WHERE ({0}) IN (SELECT {0} FROM {{table}} WHERE key < {{0}} LIMIT {1}) RETURNING key"
EXPIRE: dict[Kind, Statement] = {
    "sums": Statement(_EXPIRE.format("key, field", TRIMMED), ("bytes",)),
    "scores": Statement(_EXPIRE.format("key, bucket, member", TRIMMED), ("bytes",)),
}
"""The same by key."""
HOLD = Statement(
    f"UPDATE millrace_units SET owner = owner WHERE {_UNIT} AND epoch = {{4}} AND owner = {{5}} RETURNING epoch",
    (*_WRITER, "integer", "text"),
)
"""The fence for who removes rows: it changes nothing, and nobody claims or moves the unit until the end."""
REMOVE: dict[Kind, Statement] = {
    "puts": Statement("DELETE FROM {table} WHERE key = {0} RETURNING key", ("bytes",)),
    "sums": Statement("DELETE FROM {table} WHERE key = {0} RETURNING key", ("bytes",)),
    "scores": Statement("DELETE FROM {table} WHERE key = {0} AND bucket = {1} RETURNING key", ("bytes", "integer")),
}
"""A whole row."""
REMOVE_ITEM: dict[Kind, Statement] = {
    "sums": Statement("DELETE FROM {table} WHERE key = {0} AND field = {1} RETURNING key", ("bytes", "bytes")),
    "scores": Statement(
        "DELETE FROM {table} WHERE key = {0} AND bucket = {1} AND member = {2} RETURNING key",
        ("bytes", "integer", "bytes"),
    ),
}
ALL_ROWS = Statement("SELECT key, value FROM {table}")


def page(kind: Kind, first: bool) -> Statement:
    """The next rows of a table after that of a key; the first ones need none."""
    columns, keys = COLUMNS[kind], list(COLUMNS[kind])[: KEYS[kind]]
    order = ", ".join(keys)
    places = ", ".join(f"{{{place}}}" for place in range(len(keys)))
    after = "" if first else f" WHERE ({order}) > ({places})"
    types = () if first else tuple(columns[name] for name in keys)
    return Statement(f"SELECT {', '.join(columns)} FROM {{table}}{after} ORDER BY {order} LIMIT {PAGE}", types)


def layout(types: Mapping[Type, str], identity: str, end: str) -> list[str]:
    """What creates the tables that are always there, where they are not.

    Args:
        types: each type in this database's words.
        identity: a column of its own numbers, which are never used twice.
        end: what comes after a table's columns.
    """
    text, integer = types["text"], types["integer"]
    owner = f"learner {text} NOT NULL, generation {integer} NOT NULL"
    columns = {
        "storages": f"storage {text} NOT NULL, version {integer} NOT NULL, descriptor {text} NOT NULL,"
        " PRIMARY KEY (storage, version)",
        "aliases": f"storage {text} NOT NULL PRIMARY KEY, alias {text} NOT NULL",
        "units": f"{owner}, topic {text} NOT NULL, partition {integer} NOT NULL, epoch {integer} NOT NULL,"
        f" owner {text} NOT NULL, next {integer}, watermark_ms {integer}, committed_ms {integer},"
        " PRIMARY KEY (learner, generation, topic, partition)",
        "newest": f"{owner}, storage {text} NOT NULL, writer {text} NOT NULL, bucket {integer}, at_ms {integer},"
        " PRIMARY KEY (learner, generation, storage, writer)",
        "leases": f"title {text} NOT NULL PRIMARY KEY, until_ms {integer} NOT NULL",
        "tables": f"id {identity}, {owner}, storage {text} NOT NULL, kind {text} NOT NULL, options {text} NOT NULL,"
        " UNIQUE (learner, generation, storage, kind)",
    }
    return [f"CREATE TABLE IF NOT EXISTS millrace_{name} ({columns[name]}){end}" for name in LAYOUT]


def created(table: Table, types: Mapping[Type, str], end: str, more: str = "") -> list[str]:
    """What creates a table of rows.

    Args:
        more: columns besides those of its kind, each with a comma after it.
    """
    kind = table.kind
    columns = "".join(f"{name} {types[type]} NOT NULL, " for name, type in COLUMNS[kind].items())
    key = ", ".join(list(COLUMNS[kind])[: KEYS[kind]])
    made = f"CREATE TABLE {table.name} ({columns}{more}{CHECKS[kind]} PRIMARY KEY ({key})){end}"
    return [made, TOP_INDEX.format(table=table.name)] if kind == "scores" else [made]

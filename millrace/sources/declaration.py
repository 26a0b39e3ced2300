"""What a product declares of a table or a file of another team: `[sources.prices]` in product.toml. Pure."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from hashlib import sha256
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from millrace.sources.errors import SourceRefused
from schemas.redaction import redacted

if TYPE_CHECKING:
    import polars as pl

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
_TAKEN = ("valid_from", "valid_to", "_row")
_PLACES = ("path", "url", "url_env", "query")
LARGEST_MB = 1_024


@dataclass(frozen=True)
class ExternalSource:
    """One source. Where it is, is said by exactly one of `path`, `url`, `url_env` and `query`.

    Attributes:
        path: a file, from the product's folder on.
        url: an address of the web without passwords; `url_env`: the variable that holds one.
        authorization_env: the variable that holds the value of the header Authorization.
        query: SQL for the PostgreSQL whose address the variable `database_env` holds.
        key: the columns that tell its rows apart; no two rows have the same.
        columns: name -> text, integer, number, boolean, time or date; left out, what the first snapshot has.
        subject: the column that names the person whom a row is about, by which an erasure finds it.
        keep: for so long snapshots are kept that are not valid any more; left out, as long as events are.
        emit: the topic to which rows that are new or changed are emitted.
        limit_mb: so many megabytes are read at most.
        timeout: so long reading may take.

    Raises:
        ValueError: it contradicts itself, or holds a secret; the message goes behind the table's name.
    """

    name: str
    path: str | None = None
    url: str | None = None
    url_env: str | None = None
    authorization_env: str | None = None
    query: str | None = None
    database_env: str | None = None
    key: Sequence[str] = ()
    columns: Mapping[str, str] | None = None
    subject: str | None = None
    keep: timedelta | None = None
    emit: str | None = None
    limit_mb: int = LARGEST_MB
    timeout: timedelta = timedelta(minutes=10)

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise ValueError("its name needs letters, digits and _, and begins with a letter")
        for name in (*_PLACES, "authorization_env", "database_env", "subject", "emit"):
            if not isinstance(getattr(self, name), str | None):
                raise ValueError(f"{name} is no text")
        if sum(getattr(self, place) is not None for place in _PLACES) != 1:
            raise ValueError("say where it is by one of path, url, url_env and query")
        if (self.query is None) != (self.database_env is None):
            raise ValueError("a query needs database_env, the variable that holds the database's address, and that one")
        if self.authorization_env is not None and self.url is None and self.url_env is None:
            raise ValueError("authorization_env is for url and url_env alone")
        if self.url is not None:
            _check_url(self.url)
        if not isinstance(self.limit_mb, int) or isinstance(self.limit_mb, bool) or self.limit_mb < 1:
            raise ValueError("limit_mb is no number of megabytes above 0")
        self._check_columns()

    def _check_columns(self) -> None:
        from storage.loads.typed import KINDS

        if isinstance(self.key, str) or not all(isinstance(name, str) for name in self.key):
            raise ValueError("key is neither a column's name nor a list of them")
        if self.emit is not None and not self.key:
            raise ValueError("to emit, it needs a key, by which a row is told to be the one of before")
        if self.columns is None:
            return
        if not isinstance(self.columns, Mapping) or not self.columns:
            raise ValueError('columns has entries like price = "number"')
        for name, kind in self.columns.items():
            if kind not in KINDS:
                raise ValueError(f"the column {name!r} is declared {kind!r}, which is none of {', '.join(KINDS)}")
        check_names(self.columns)
        for name in self.key:
            if name not in self.columns:
                raise ValueError(f"the key {name!r} is not among its columns")
        if self.subject is not None and self.subject not in self.columns:
            raise ValueError(f"the subject {self.subject!r} is not among its columns")

    @property
    def types(self) -> dict[str, pl.DataType] | None:
        """The declared columns; None where the first snapshot says what they are."""
        from storage.loads.typed import KINDS

        return None if self.columns is None else {name: KINDS[kind] for name, kind in self.columns.items()}

    @property
    def where(self) -> str:
        """Where it is, for people: without what may be secret."""
        if self.path is not None:
            return self.path
        if self.query is not None:
            return f"a query of ${self.database_env}"
        return redacted(self.url) if self.url is not None else f"${self.url_env}"

    @property
    def mark(self) -> str:
        """Tells whether what a web server said of an earlier answer is of this declaration."""
        address = self.url if self.url_env is None else secret(self, self.url_env)
        return sha256(repr((address, self.key, self.columns)).encode()).hexdigest()[:16]


def secret(source: ExternalSource, variable: str) -> str:
    """What a variable of the environment holds.

    Raises:
        SourceRefused: it is not set.
    """
    found = os.environ.get(variable, "").strip()
    if not found:
        raise SourceRefused(f"The source {source.name} needs the variable {variable}, which is not set.")
    return found


def check_names(columns: Mapping[str, Any]) -> None:
    """Check the names of columns. Raises ValueError for those that a table of snapshots cannot have."""
    lower: dict[str, str] = {}
    for name in columns:
        if name.lower() in _TAKEN:
            raise ValueError(f"a column is called {name!r}, which each snapshot has itself; name it otherwise")
        if (other := lower.setdefault(name.lower(), name)) != name:
            raise ValueError(f"the columns {other!r} and {name!r} differ in their case alone")


def _check_url(url: str) -> None:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("url is no address such as https://prices.example/prices.csv")
    if parts.username is not None or redacted(url) != url:
        raise ValueError("url holds a password or a token; put the address into a variable, and name that as url_env")

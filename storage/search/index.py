"""Where things are in OpenSearch, and what is made of them.

    millrace-state                                  read by id only:
        catalogue                                   every descriptor and every alias, see `catalogue.py`
        units/<learner>@<generation>                names of the units that were ever claimed, "topic/partition"
        unit/<learner>@<generation>/<t>/<p>         a unit's fence: epoch, owner, next, watermark_ms, committed_ms
    millrace-leases                                 document "leases": title -> until when it is read
    millrace-<format>-<name>-<learner>-<generation> the rows of one version, each a document:
        _id      SHA-256 of the key in UTF-8, as 64 hexadecimal digits: a key may be empty, or longer than an id
        _version the position of the unit after the commit that wrote it, plus 1; 1 where a load wrote it
        key      the key itself
        row      the row's bytes, base64
        vector   of rows with the index "vector": its numbers, with the metric cosine those of its direction
        text     of rows with the index "text": what is searched, one text for each field

Writes go to the alias `<index>-writes` and are refused where that is missing, so that no late write makes an index.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np

from storage.descriptor import Descriptor
from storage.errors import WriteRefused
from storage.formats.document_row import searched, words
from storage.formats.vector_row import STORED, pointing
from storage.unit import UnitId

STATE, LEASES = "millrace-state", "millrace-leases"
REFRESH = "1s"
"""So long after its commit a row is found by `nearest` and `search` at the latest; by key it is read at once."""
_PLAIN = re.compile(r"[a-z0-9_]+")
_LONGEST_INDEX, _LONGEST_ID = 230, 500
_LONGEST_SORTED = 8_191  # characters of a key by which ties are broken; four bytes each, and a term has 32,766
_SPACES = {"cosine": "cosinesimil", "dot": "innerproduct", "euclidean": "l2"}


def index_of(writer: UnitId | Descriptor, storage: str) -> str:
    """The index of a storage's rows, of the generation that a unit writes, or that a descriptor names."""
    format, _, name = storage.partition("/")
    plain = f"millrace-{format}-{name}-{writer.learner or 'nobody'}-{writer.generation}"
    if _PLAIN.fullmatch(writer.learner or "nobody") and len(plain) <= _LONGEST_INDEX:
        return plain
    return f"millrace-{format}-{_digest(f'{name} {writer.learner}')[:32]}-{writer.generation}"


def writes_to(index: str) -> str:
    """The alias that an index is written through."""
    return f"{index}-writes"


def row_id(key: str) -> str:
    """The id of a key's row. Raises WriteRefused for what is no text."""
    return _digest(key)


def row_of(document: Mapping[str, Any]) -> bytes:
    """The row's bytes of a document."""
    return base64.b64decode(document["row"])


def state_id(*parts: object) -> str:
    """The id of a document in `millrace-state`."""
    plain = "/".join(map(str, parts))
    return plain if len(plain.encode()) <= _LONGEST_ID else _digest(plain)


def state_body(index: str) -> dict[str, Any]:
    """An index whose documents are only read by id."""
    return {
        "settings": {"number_of_shards": 1, "auto_expand_replicas": "0-1", "refresh_interval": "-1"},
        "mappings": {"dynamic": False},
        "aliases": {writes_to(index): {}},
    }


def rows_body(descriptor: Descriptor) -> dict[str, Any]:
    """The index of a version's rows. What only serves to find them is not kept beside the row's bytes."""
    index = index_of(descriptor, descriptor.storage)
    finding = Finding(descriptor.index, descriptor.options)
    properties = {"key": {"type": "keyword", "ignore_above": _LONGEST_SORTED}, "row": {"type": "binary"}}
    return {
        "settings": {
            "number_of_shards": 1,
            "auto_expand_replicas": "0-1",
            "refresh_interval": REFRESH,
            **({"knn": True} if descriptor.index == "vector" else {}),
        },
        "mappings": {
            "dynamic": False,
            "_source": {"excludes": ["vector", "text"]},
            "_meta": {"millrace": {"finding": finding.to_json(), "fingerprint": descriptor.fingerprint}},
            "properties": {**properties, **finding.mapping},
        },
        "aliases": {writes_to(index): {}},
    }


@dataclass(frozen=True)
class Finding:
    """How the rows of an index are found other than by key, and so what a document has beside its row.

    Attributes:
        kind: see `Descriptor.index`.
    """

    kind: str | None
    options: Mapping[str, Any]

    @property
    def mapping(self) -> dict[str, Any]:
        """Properties of the index."""
        if self.kind == "text":
            return {"text": {"type": "text"}}
        if self.kind != "vector":
            return {}
        method = {"name": "hnsw", "engine": "lucene", "space_type": _SPACES[self.options["metric"]]}
        return {"vector": {"type": "knn_vector", "dimension": self.options["dimensions"], "method": method}}

    def document(self, key: str, row: bytes) -> bytes:
        """A row as a document, in JSON.

        Raises:
            WriteRefused: it cannot be found by such an index.
        """
        return msgspec.json.encode({"key": key, "row": row, **self._found_by(key, row)})

    def to_json(self) -> str:
        return json.dumps([self.kind, dict(self.options)])

    @classmethod
    def of_json(cls, text: str) -> Finding:
        return cls(*json.loads(text))

    def _found_by(self, key: str, row: bytes) -> dict[str, Any]:
        if self.kind == "text":
            try:
                return {"text": [" ".join(words(text)) for text in searched(row, self.options["fields"])]}
            except ValueError as error:
                raise WriteRefused(f"The row of {key!r} is no document: {error}.") from error
        if self.kind != "vector":
            return {}
        vector = np.frombuffer(row, STORED) if len(row) % STORED.itemsize == 0 else np.empty(0, STORED)
        if len(vector) != self.options["dimensions"] or not np.isfinite(vector).all():
            raise WriteRefused(f"The row of {key!r} is no vector of {self.options['dimensions']} finite numbers.")
        if self.options["metric"] == "cosine" and not vector.any():
            raise WriteRefused(f"The vector of {key!r} is all zeros, which has no direction for the metric cosine.")
        return {"vector": pointing(vector, self.options["metric"])}


def _digest(text: str) -> str:
    try:
        return hashlib.sha256(text.encode()).hexdigest()
    except UnicodeEncodeError as error:
        raise WriteRefused(f"A key is no text that UTF-8 can write: {text!r}.") from error

"""What is asked of an index of rows. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from storage.descriptor import Descriptor
from storage.formats.document_row import words
from storage.formats.vector_row import STORED, pointing
from storage.search.index import index_of

MOST = 10_000
"""So many rows at most are found by one search."""
LONGEST_TEXT = 1_000
"""So many characters of a text are searched for: the engine refuses more than 1,024 words."""
_CANDIDATES = 100


class Query(NamedTuple):
    """An index, and what is asked of it."""

    target: str
    body: dict[str, Any]


def matching(descriptor: Descriptor, text: str, size: int) -> Query:
    """The rows that fit the words of a text best: a match query knows no operators. Ties by key."""
    wanted = " ".join(words(text))[:LONGEST_TEXT]
    body = {
        "query": {"match": {"text": {"query": wanted}}},
        "sort": [{"_score": "desc"}, {"key": "asc"}],
        "track_scores": True,
    }
    return _query(descriptor, body, size, ["key"])


def likely_nearest(descriptor: Descriptor, vector: bytes, size: int) -> Query:
    """The rows that the index takes for the nearest, twice as many as are wanted: it may err."""
    count = min(max(2 * size, _CANDIDATES), MOST)
    wanted = pointing(np.frombuffer(vector, STORED), str(descriptor.options["metric"]))
    return _query(descriptor, {"query": {"knn": {"vector": {"vector": wanted, "k": count}}}}, count, ["key", "row"])


def some(descriptor: Descriptor, size: int) -> Query:
    """Some rows, in no order."""
    return _query(descriptor, {"query": {"match_all": {}}}, size, ["key"])


def keys_of(hits: Sequence[Mapping[str, Any]]) -> list[str]:
    """The keys of what was found."""
    return [str(hit["_source"]["key"]) for hit in hits]


def _query(descriptor: Descriptor, body: dict[str, Any], size: int, fields: list[str]) -> Query:
    whole = {**body, "size": min(size, MOST), "_source": fields, "track_total_hits": False}
    return Query(index_of(descriptor, descriptor.storage), whole)

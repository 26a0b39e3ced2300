"""One event out of Confluent's wire format, the quickest way that needs no columns: fastavro with the schema at hand.

Confluent's own deserializer is several times slower; nobody here uses it.
"""

from __future__ import annotations

import json
import os
import urllib.request
from collections.abc import Callable
from io import BytesIO
from typing import Any

import fastavro

HEADER = 5


def reader() -> Callable[[bytes], dict[str, Any]]:
    """Reads what was written with the newest schema of the topic."""
    address = f"{os.environ['PROOF_REGISTRY']}/subjects/{os.environ['PROOF_TOPIC']}-value/versions/latest"
    with urllib.request.urlopen(address) as answer:
        schema = fastavro.parse_schema(json.loads(json.load(answer)["schema"]))
    read = fastavro.schemaless_reader

    def one(payload: bytes) -> dict[str, Any]:
        file = BytesIO(payload)
        file.seek(HEADER)
        return read(file, schema)

    return one

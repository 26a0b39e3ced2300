"""Feast's Python feature server as its documentation sets it up, in an environment of its own, over the same Redis.

`feast apply`, `feast materialize`, `feast serve --no-access-log --max-requests 0`: by default it restarts its worker
every thousand requests, and drops connections then. A request asks for the 50 features of one user.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

import polars as pl

from benchmarks.prove_models.installation import installed, run
from benchmarks.prove_models.rows import FEATURES, USERS, feature, user
from benchmarks.prove_models.stage import Server, listening

PACKAGE = "feast[redis]==0.67.0"
PATH = "/get-online-features"
NAMES = [f"profile:{feature(number)}" for number in range(FEATURES)]
_STORE = """project: proof
provider: local
registry: registry.db
online_store:
  type: redis
  connection_string: "{host}:{port}"
offline_store:
  type: file
entity_key_serialization_version: 3
"""
_FEATURES = """from datetime import timedelta

from feast import Entity, FeatureView, Field, FileSource
from feast.types import Float64
from feast.value_type import ValueType

user = Entity(name="user", join_keys=["user"], value_type=ValueType.STRING)
profile = FeatureView(
    name="profile",
    entities=[user],
    ttl=timedelta(days=3650),
    online=True,
    source=FileSource(path="features.parquet", timestamp_field="at"),
    schema=[Field(name=name, dtype=Float64) for name in {names}],
)
"""


@contextmanager
def feast(folder: Path, redis_url: str) -> Iterator[Server]:
    """The server, ready.

    Raises:
        Missing: it cannot be had.
    """
    program = str(installed(folder, PACKAGE) / "feast")
    folder = folder / "repository"  # it imports whatever lies in its repository
    folder.mkdir()
    parts = urlsplit(redis_url)
    names = [feature(number) for number in range(FEATURES)]
    (folder / "feature_store.yaml").write_text(_STORE.format(host=parts.hostname, port=parts.port), "utf-8")
    (folder / "features.py").write_text(_FEATURES.format(names=names), "utf-8")
    chance = random.Random(2)
    columns = {name: [chance.random() for _ in range(USERS)] for name in names}
    keys = [user(number) for number in range(USERS)]
    pl.DataFrame({"user": keys, "at": [datetime.now(UTC)] * USERS, **columns}).write_parquet(
        folder / "features.parquet"
    )
    run(folder, program, "apply")
    run(folder, program, "materialize", "2020-01-01T00:00:00", "2100-01-01T00:00:00")
    options = ["serve", "--no-access-log", "--max-requests", "0"]
    with listening("feast", folder, [program, *options, "-p", "{port}"], "/health") as server:
        yield server

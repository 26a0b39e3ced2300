"""Logged decisions with the features that their implementations say they have used."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple

import polars as pl

from millrace.platform import Platform
from schemas import Decision
from schemas.errors import MillraceError
from streams import read_topic


class NoFeatures(MillraceError):
    """There is no decision whose features could be compared; the message says what to do."""


class Served(NamedTuple):
    """A decision: its id, when it was made, by which implementation and code, what was asked, and the features."""

    id: str
    at: datetime
    implementation: str
    hash: str
    request: str
    features: Mapping[str, Any]


def served(platform: Platform, endpoint: str, since: datetime, limit: int) -> list[Served]:
    """The newest decisions of an endpoint type that have features, oldest first; shadows' are none. Blocks.

    Raises:
        NoFeatures: there is none.
        StreamError, RegistryUnavailable: the log cannot be read.
    """
    frames = [
        frame.filter(pl.col("endpoint") == endpoint, pl.col("features").is_not_null(), pl.col("shadow_of").is_null())
        for frame in read_topic(platform.kafka, platform.codec, Decision.event_type, since)
    ]
    found = pl.concat(frames).unique("id").sort("at", "id").tail(limit) if frames else pl.DataFrame()
    if not found.height:
        raise NoFeatures(
            f"No decision of {endpoint} since {since:%Y-%m-%d %H:%M} UTC has features. Its implementations log them by "
            "`mr.log_features(clicks=3)`; or look further back with --since."
        )
    columns = found.select("id", "at", "implementation", "hash", "request", "features")
    return [
        Served(id, at, who, hash, request, json.loads(features))
        for id, at, who, hash, request, features in columns.iter_rows()
    ]

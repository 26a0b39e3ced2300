"""Clicks become sessions on the real Kafka, over a kill of the worker: each as it follows from the clicks alone."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest

import millrace as mr
from examples.sessions.app import GAP
from examples.sessions.dataset import events
from examples.sessions.events import Click, Session
from millrace.settings import Settings
from schemas import Codec, RegistryClient
from streams import Kafka, TopicMissing, read_topic
from tests.faust_process import worker
from tests.waiting import until

EPOCH = datetime.fromtimestamp(0, UTC)


def sessions_of(clicks: list[Click]) -> dict[tuple[str, datetime], tuple[datetime, int]]:
    """Each user's sessions but the last, by user and beginning: their end and how many clicks they have."""
    frame = pl.DataFrame([click.to_dict() for click in clicks]).sort("user", "at", maintain_order=True)
    number = (pl.col("at").diff().over("user") > GAP).fill_null(True).cum_sum().over("user").alias("number")
    ended = pl.col("at").max().alias("ended")
    grouped = frame.with_columns(number).group_by("user", "number").agg(pl.col("at").min(), ended, pl.len())
    over = grouped.filter(pl.col("number") < pl.col("number").max().over("user"))
    return {(row["user"], row["at"]): (row["ended"], row["len"]) for row in over.iter_rows(named=True)}


@pytest.fixture
def registry(registry_url: str) -> Iterator[RegistryClient]:
    with closing(RegistryClient(registry_url)) as client:
        yield client


def sent(kafka: str, registry: RegistryClient) -> list[Session]:
    """All sessions in their topic."""
    try:
        frames = list(read_topic(Kafka(kafka), Codec(registry), Session.event_type, EPOCH))
    except TopicMissing:
        return []
    return [Session.of(row) for frame in frames for row in frame.iter_rows(named=True)]


def test_each_session_is_what_follows_from_the_clicks_though_the_worker_was_killed(
    kafka: str, registry_url: str, registry: RegistryClient, tmp_path: Path
) -> None:
    clicks = list(events())
    expected = sessions_of(clicks)
    with mr.Producer(Settings(kafka=kafka, registry_url=registry_url)) as producer:
        for click in clicks:
            producer.emit(click)

    with worker("examples.sessions", tmp_path, kafka, registry_url, MEMBER="one") as first:
        until(lambda: len(sent(kafka, registry)) > len(expected) // 10)
        first.kill()
        first.wait()
    before = {session.id for session in sent(kafka, registry)}
    assert len(before) < len(expected), "it was killed too late"
    with worker("examples.sessions", tmp_path, kafka, registry_url, MEMBER="one"):
        until(lambda: len({session.id for session in sent(kafka, registry)}) >= len(expected))

    by_id = {session.id: session for session in sent(kafka, registry)}
    assert all(by_id[session.id] == session for session in sent(kafka, registry))
    assert {(one.user, one.begun): (one.ended, one.clicks) for one in by_id.values()} == expected
    assert len(by_id) == len(expected)

"""A worker's metrics are at a port where somebody asked for them, in Prometheus' format."""

from __future__ import annotations

import re
import socket
from contextlib import closing

import httpx
import pytest
from typer.testing import CliRunner

from learners import LearnerRefused
from learners.worker_metrics import WorkerMetrics
from millrace.cli import app
from millrace.metrics_page import metrics_page
from storage.technologies import opened
from streams import Kafka, Producer
from tests.faults.crew import crew
from tests.learners.samples import ItemCounts, Rating, ratings
from tests.waiting import until

LINE = re.compile(r"# (HELP|TYPE) [a-z_]+ .+|[a-z_]+(\{[a-z]+=\"[^\"]*\"(,[a-z]+=\"[^\"]*\")*\})? [0-9.e+]+")


@pytest.mark.server
def test_a_worker_says_what_it_has_folded_committed_and_buried(kafka: str, registry_url: str, redis_clean: str) -> None:
    metrics = WorkerMetrics()
    with (
        closing(opened("redis", redis_clean)) as redis,
        crew(kafka, registry_url, redis, Rating.event_type, [ItemCounts]) as workers,
        metrics_page("127.0.0.1", 0, lambda: metrics.text) as port,
        httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False) as client,
    ):
        topic = workers.event_type.topic
        workers.send(ratings(40).to_dicts())
        with Producer(Kafka(kafka), workers.registry) as producer:
            producer.send_bytes(topic, b"u1", b"garbage")
        workers.start("worker-0", metrics=metrics)
        until(workers.level)

        def found(name: str) -> float:
            lines = client.get("/metrics").text.splitlines()
            return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith(name))

        until(lambda: found("millrace_worker_events_total") == 40)
        until(lambda: found("millrace_worker_commits_total") >= 2)
        until(lambda: found("millrace_worker_lag_events") == 0)
        assert found(f'millrace_worker_dead_letters_total{{topic="{topic}"}}') == 1
        assert found('millrace_worker_units{state="active"}') == found("millrace_worker_partitions") == 2
        assert found("millrace_worker_paused_partitions") == 0
        assert 0 < found("millrace_worker_commit_seconds_total") < 600
        assert found("process_resident_memory_bytes") > 1e6
        assert [line for line in metrics.text.splitlines() if not LINE.fullmatch(line)] == []
        assert client.get("/metrics").headers["content-type"].startswith("text/plain; version=0.0.4")
        assert client.get("/").status_code == 404


def test_a_port_that_is_taken_is_said() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(LearnerRefused, match="another --metrics-port"):
        with metrics_page("127.0.0.1", taken.getsockname()[1], str):
            raise AssertionError


def test_a_port_beyond_the_last_is_said() -> None:
    with pytest.raises(LearnerRefused, match="another --metrics-port"), metrics_page("127.0.0.1", 65_536, str):
        raise AssertionError


def test_metrics_are_those_of_one_product() -> None:
    result = CliRunner().invoke(app, ["learn", "--metrics-port", "9100"])
    assert result.exit_code == 2
    assert "FOLDER" in result.output

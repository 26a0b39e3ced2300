"""An archive of a topic of a real Kafka, and processes that write it."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import httpx
import pytest

from benchmarks.ports import free_port
from benchmarks.process import process, wait_until_it_answers
from millrace.stack import StackError
from schemas import EventType, RegistryClient
from streams import DeadLetters, Kafka, Producer
from streams.archive import Archiver, Shelf
from tests.conftest import unavailable

SERVER = Path(__file__).parents[3] / ".venv-s3/bin/moto_server"
Running = Callable[..., AbstractContextManager[Archiver]]


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    return Shelf(str(tmp_path / "archive"))


@pytest.fixture(scope="session")
def s3_options(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mapping[str, str]]:
    """Where a server is that speaks S3, and how to get in."""
    if not SERVER.exists():
        unavailable(StackError(f"{SERVER} is not installed; run scripts/s3."))
    url = f"http://127.0.0.1:{free_port()}"
    log = tmp_path_factory.mktemp("s3") / "s3.log"
    with process(log, [str(SERVER), "-H", "127.0.0.1", "-p", url.rpartition(":")[2]]) as started:
        wait_until_it_answers(started, url, 60.0, status=None)
        yield {
            "AWS_ENDPOINT_URL": url,
            "AWS_ALLOW_HTTP": "true",
            "AWS_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
        }


@pytest.fixture
def on_s3(s3_options: Mapping[str, str]) -> Shelf:
    """An empty bucket."""
    bucket = uuid.uuid4().hex
    httpx.put(f"{s3_options['AWS_ENDPOINT_URL']}/{bucket}").raise_for_status()
    return Shelf(f"s3://{bucket}/archive", s3_options)


@pytest.fixture(params=["disk", "s3"])
def each_shelf(request: pytest.FixtureRequest, tmp_path: Path) -> Shelf:
    """Each of what archives may be on."""
    return Shelf(str(tmp_path)) if request.param == "disk" else request.getfixturevalue("on_s3")


@pytest.fixture
def running(cluster: Kafka, registry: RegistryClient, producer: Producer, shelf: Shelf, group: str) -> Running:
    """Runs an archiver in a thread while the block lasts."""

    @contextmanager
    def running(
        wanted: Mapping[str, EventType], member: str = "one", kept: Shelf | None = None, **options: object
    ) -> Iterator[Archiver]:
        stop = threading.Event()
        archiver = Archiver(
            cluster,
            registry,
            lambda: dict(wanted),
            kept or shelf,
            DeadLetters(producer),
            member,
            group=group,
            **{"patience": 0.1, **options},  # type: ignore[arg-type]
        )
        thread = threading.Thread(target=archiver.run, args=(stop,))
        thread.start()
        try:
            yield archiver
        finally:
            stop.set()
            thread.join()

    return running

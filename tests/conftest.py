"""Real servers for the tests that ask for them, each started once on free ports and stopped at the end.

`kafka`, `redis_url` and `registry_url` are addresses; `running_movies` is the whole loop with the movies product, on
the stage that `make prove-loop` uses too; `running_shop` is a live service's platform; `redis_clean` is the address of
a Redis that is empty before and after the test. A server that cannot be started skips its tests with the reason, and
fails them where CI=true.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NoReturn
from urllib.parse import urlsplit

import httpx
import hypothesis
import psycopg
import pytest

from benchmarks.ports import free_port
from benchmarks.ports import free_ports as free_ports
from benchmarks.prove_loop.stage import Stage, running, stage
from benchmarks.prove_storage import redis_cluster
from millrace.settings import Settings
from millrace.stack import Stack, StackError
from schemas.errors import MillraceError
from storage.cassandra.address import CassandraAddress
from storage.cassandra.session import CassandraSession, Flight
from storage.errors import StorageUnavailable
from tests.apart import Apart, share
from tests.clients.fresh import build, fresh_environment
from tests.containers import servers as containers
from tests.plain import PLAIN
from tests.storage.redis_stage import OwnRedis

SERVERS = {
    "kafka",
    "redis_url",
    "redis_clean",
    "redis_cluster_ports",
    "postgresql_url",
    "cassandra_url",
    "cassandra_clean",
    "search_url",
    "registry_url",
    "running_movies",
    "running_shop",
}
RATINGS = 20_000
"""So many ratings of the data set are learned before a test that needs the whole loop begins."""

os.environ.setdefault("JAVA_TOOL_OPTIONS", "-XX:TieredStopAtLevel=1")  # no server here lives long enough for the rest
hypothesis.settings.register_profile("the same each time", deadline=None, derandomize=True, database=None)
hypothesis.settings.register_profile("others each time", deadline=None, derandomize=False)
hypothesis.settings.load_profile("others each time" if "MILLRACE_EXAMPLES" in os.environ else "the same each time")


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--containers`: Kafka, Redis and Cassandra in containers instead of as processes; see `make containers`."""
    parser.addoption("--containers", action="store_true", help="Kafka, Redis and Cassandra run in containers")


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Apart:
    """Asked where tests run in several processes."""
    return Apart(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what needs a real server: `make check` leaves it out. Browser tests come last: Playwright's event loop runs
    in the tests' own thread, where no other could run beside it."""
    for item in items:
        if SERVERS & set(getattr(item, "fixturenames", ())):
            item.add_marker("server")
    share(items)


@contextmanager
def folder_in_memory() -> Iterator[Path]:
    """A folder for an OpenSearch, in memory where there is a file system for that: making an index waits for the disk
    a dozen times."""
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if os.access(memory, os.W_OK) else None) as folder:
        yield Path(folder)


@pytest.fixture(scope="session")
def kafka(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Bootstrap address of a real Kafka."""
    if request.config.getoption("--containers"):
        yield from _contained(containers.kafka)
        return
    broker, controller = free_ports(2)
    settings = _nothing(tmp_path_factory.mktemp("kafka"), kafka=f"127.0.0.1:{broker}", kafka_controller_port=controller)
    with _running(settings):
        yield settings.kafka


@pytest.fixture(scope="session")
def redis_url(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of a real Redis; what earlier tests wrote is still there, see `redis_clean`."""
    if request.config.getoption("--containers"):
        yield from _contained(containers.redis)
        return
    settings = _nothing(tmp_path_factory.mktemp("redis"), redis_url=f"redis://127.0.0.1:{free_ports(1)[0]}/0")
    with _running(settings):
        yield settings.redis_url


@pytest.fixture(scope="session")
def redis_cluster_ports(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[int]]:
    """Ports of the three nodes of a real Redis Cluster."""
    ports = redis_cluster.free_ports(3)
    try:
        cluster = redis_cluster.Cluster(tmp_path_factory.mktemp("redis-cluster"), ports)
    except StackError as error:
        unavailable(error)
    with closing(cluster):
        yield ports


@pytest.fixture
def redis_cluster_url(redis_cluster_ports: list[int]) -> str:
    """Address of a real Redis Cluster that is empty."""
    redis_cluster.flush(redis_cluster_ports)
    return "redis+cluster://" + ",".join(f"127.0.0.1:{port}" for port in redis_cluster_ports)


@pytest.fixture(scope="session")
def search_url() -> Iterator[str]:
    """Address of a real OpenSearch; what earlier tests wrote is still there, see `search_clean`."""
    with folder_in_memory() as folder:
        url = f"http://127.0.0.1:{free_ports(1)[0]}"
        with _running(_nothing(folder, search_url=url)):
            yield url


@pytest.fixture(scope="session")
def postgresql_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of a real PostgreSQL with pgvector; what earlier tests wrote is still there, see `postgresql_clean`."""
    url = f"postgresql://millrace@127.0.0.1:{free_ports(1)[0]}/millrace"
    settings = _nothing(tmp_path_factory.mktemp("postgresql"), relational_url=url)
    with _running(settings):
        yield url


@pytest.fixture(scope="session")
def cassandra_url(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of a real Cassandra; what earlier tests wrote is still there, see `cassandra_clean`."""
    if request.config.getoption("--containers"):
        yield from _contained(containers.cassandra)
        return
    url = f"cassandra://127.0.0.1:{free_port(beside=1)}/millrace"
    settings = _nothing(tmp_path_factory.mktemp("cassandra"), cassandra_url=url)
    with _running(settings):
        yield url


@pytest.fixture(scope="session")
def registry_url(kafka: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of our schema registry over `kafka`."""
    registry = f"http://127.0.0.1:{free_ports(1)[0]}"
    settings = _nothing(tmp_path_factory.mktemp("registry"), kafka=f"{kafka},", registry_url=registry)
    with _running(settings):
        yield registry


@pytest.fixture(scope="session")
def running_movies(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """Stack, supervised worker and models service of the movies product, with part of its data set learned."""
    with ExitStack() as started:
        try:
            running = started.enter_context(stage(tmp_path_factory.mktemp("movies")))
            dataset = running.product.module("dataset")
            events = [*dataset.films(), *dataset.ratings(datetime.now(UTC))[-RATINGS:]]
        except MillraceError as error:
            unavailable(error)
        for event in events:
            running.platform.producer.emit(event)
        running.platform.producer.flush()
        with ThreadPoolExecutor(1) as outside:  # a browser test's thread has a loop of its own
            assert outside.submit(running.meter.wait_until_level, 90.0).result().events == 0
        yield running


@pytest.fixture(scope="session")
def running_shop(kafka: str, registry_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """Worker and models service of the shop's product over `kafka`, `registry_url` and a Redis of its own; its data set
    is not replayed."""
    folder = tmp_path_factory.mktemp("shop")
    redis, service = free_ports(2)
    own = _nothing(folder / "state", redis_url=f"redis://127.0.0.1:{redis}/0")
    database = f"sqlite:///{folder}/relational.db"
    settings = replace(own, kafka=kafka, registry_url=registry_url, service_port=service, relational_url=database)
    with _running(own), running(folder, settings, Path("examples/shop")) as shop:
        yield shop


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel `millrace-client`."""
    return build(tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="session")
def fresh_python(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Python that has `wheel`, and nothing else of ours."""
    return fresh_environment(wheel, tmp_path_factory.mktemp("client"))


@pytest.fixture(scope="session")
def node() -> str:
    """The program `node`, for tests that another language passes."""
    found = shutil.which("node")
    if found is None:
        unavailable(StackError("There is no Node.js here; install it (apt install nodejs, brew install node)."))
    return found


@pytest.fixture
def redis_clean(redis_url: str) -> Iterator[str]:
    """`redis_url`, emptied before the test and after it."""
    _flush(redis_url)
    yield redis_url
    _flush(redis_url)


@pytest.fixture
def own_redis(redis_url: str, tmp_path: Path) -> Iterator[OwnRedis]:
    """A real Redis that only this test knows, to be killed and started again."""
    made = OwnRedis(tmp_path / "redis", free_ports(1)[0])
    made.start()
    yield made
    made.kill()


@pytest.fixture
def search_clean(search_url: str) -> Iterator[str]:
    """`search_url`, emptied before the test and after it."""
    empty_search(search_url)
    yield search_url
    empty_search(search_url)


@pytest.fixture(scope="session")
def cassandra_tables(cassandra_url: str) -> Iterator[CassandraSession]:
    """A session of the tests' own on `cassandra_url`, with its tables."""
    session = CassandraSession(CassandraAddress.of(cassandra_url), timeout=30)
    session.connect()
    yield session
    session.close()


@pytest.fixture
def cassandra_clean(cassandra_url: str, cassandra_tables: CassandraSession) -> str:
    """`cassandra_url`, emptied before the test: by partition, as to truncate its tables takes half a second."""
    for table, key in {
        "fences": ["unit"],
        "redos": ["unit"],
        "served": ["place", "slot"],
        "units": ["writer"],
        "places": ["writer"],
    }.items():
        delete = f"DELETE FROM @{table} WHERE {' AND '.join(f'{column} = ?' for column in key)}"
        try:
            rows = cassandra_tables.read(f"SELECT DISTINCT {', '.join(key)} FROM @{table}")
        except StorageUnavailable:  # Cassandra stumbles now and then over deleted partitions when it scans a table
            cassandra_tables.write(f"TRUNCATE @{table}")
            continue
        Flight(cassandra_tables.send(delete, row) for row in rows).land()
    for table in ("catalogue", "leases"):
        cassandra_tables.write(f"DELETE FROM @{table} WHERE part = 'all'")
    return cassandra_url


@pytest.fixture
def postgresql_clean(postgresql_url: str) -> Iterator[str]:
    """`postgresql_url`, emptied before the test and after it."""
    _empty(postgresql_url)
    yield postgresql_url
    _empty(postgresql_url)


def _nothing(folder: Path, **changes: object) -> Settings:
    """Settings under which the stack starts nothing but what is changed: everything else is on another machine."""
    elsewhere: dict[str, object] = {
        "kafka": "elsewhere:9092",
        "registry_url": "http://elsewhere",
        "redis_url": "redis://elsewhere",
        "relational_url": "postgresql://elsewhere/millrace",
        "state_dir": folder,
    }
    return Settings(**{**elsewhere, **changes})  # type: ignore[arg-type]


def _contained(server: Callable[[], AbstractContextManager[str]]) -> Iterator[str]:
    """The address of a server in a container; skips its tests where no engine answers, whoever asks."""
    if why := containers.engine():
        pytest.skip(why)
    with server() as address:
        yield address


@contextmanager
def _running(settings: Settings) -> Iterator[None]:
    stack = Stack(settings)
    try:
        stack.up()
    except StackError as error:
        unavailable(error)
    try:
        yield
    finally:
        stack.down()


def unavailable(error: Exception) -> NoReturn:
    """A server that cannot be had: skip on a laptop, fail where CI=true."""
    if os.environ.get("CI") == "true":
        pytest.fail(str(error), pytrace=False)
    pytest.skip(str(error))


def _flush(url: str) -> None:
    """FLUSHALL over a plain socket: only `storage/` imports a Redis client."""
    parts = urlsplit(url)
    with socket.create_connection((parts.hostname or "", parts.port or 6379), timeout=5.0) as connection:
        connection.sendall(b"FLUSHALL\r\n")
        assert connection.recv(64) == b"+OK\r\n"


def empty_search(url: str) -> None:
    """Delete all rows, and what is known of them; the two indices that every test needs stay."""
    with httpx.Client(base_url=url, timeout=30, trust_env=False, verify=PLAIN) as client:
        kept = {"millrace-state", "millrace-leases"}
        there = [item["index"] for item in client.get("/_cat/indices/millrace-*?format=json").raise_for_status().json()]
        if rows := ",".join(index for index in there if index not in kept):
            client.delete(f"/{rows}").raise_for_status()
        for index in kept.intersection(there):
            client.post(f"/{index}/_refresh").raise_for_status()
            found = client.get(f"/{index}/_search?size=10000&_source=false").raise_for_status().json()
            lines = [f'{{"delete":{{"_id":{json.dumps(hit["_id"])}}}}}\n' for hit in found["hits"]["hits"]]
            if lines:
                headers = {"content-type": "application/x-ndjson"}
                client.post(f"/{index}/_bulk", content="".join(lines), headers=headers).raise_for_status()


def _empty(url: str) -> None:
    """Drop everything that is in the database."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("SET lock_timeout = '20s'; DROP SCHEMA public CASCADE; CREATE SCHEMA public")

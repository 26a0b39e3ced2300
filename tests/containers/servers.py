"""Kafka, Redis and Cassandra in containers, for the tests that otherwise start them as processes.

The images are the official names. Each server is started on ports of the engine's choosing, and removed at the end.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from testcontainers.core.container import DockerContainer
from testcontainers.core.docker_client import DockerClient
from testcontainers.core.wait_strategies import LogMessageWaitStrategy

KAFKA, REDIS, CASSANDRA = "apache/kafka:4.1.1", "redis:7", "cassandra:5.0"
_SCRIPT = "/tmp/start.sh"


def engine() -> str | None:
    """Why no container can be started; None = one can.

    Docker's client leaves the socket open that it could not connect, so a local engine is looked for without it first.
    """
    try:
        host = os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock")
        if host.startswith("unix://"):
            with socket.socket(socket.AF_UNIX) as asked:
                asked.connect(host.removeprefix("unix://"))
        DockerClient().client.ping()
    except Exception as error:  # docker's client has no common error for "there is none"
        return f"no container engine answers ({type(error).__name__}); start one, or set DOCKER_HOST"
    return None


@contextmanager
def kafka() -> Iterator[str]:
    """Bootstrap address of a Kafka. Its advertised port is known only once it runs, so it waits for its settings."""
    container = DockerContainer(KAFKA).with_exposed_ports(9092)
    container.with_command(["sh", "-c", f"while [ ! -f {_SCRIPT} ]; do sleep 0.1; done; exec sh {_SCRIPT}"])
    for name, value in _KAFKA.items():
        container.with_env(name, value)
    with container:
        address = _address(container, 9092)
        start = f"export KAFKA_ADVERTISED_LISTENERS=EXTERNAL://{address}\nexec /etc/kafka/docker/run\n"
        write = f"cat > {_SCRIPT}.new <<'END'\n{start}END\nmv {_SCRIPT}.new {_SCRIPT}"
        code, said = container.exec(["sh", "-c", write])
        if code:
            pytest.fail(f"Kafka's container takes no settings: {said!r}")
        LogMessageWaitStrategy("Kafka Server started").with_startup_timeout(90).wait_until_ready(container)
        yield address


@contextmanager
def redis() -> Iterator[str]:
    """Url of an empty Redis."""
    container = DockerContainer(REDIS).with_exposed_ports(6379)
    container.with_command(["redis-server", "--save", "", "--maxmemory-policy", "noeviction"])
    with container:
        LogMessageWaitStrategy("Ready to accept connections").with_startup_timeout(30).wait_until_ready(container)
        yield f"redis://{_address(container, 6379)}/0"


@contextmanager
def cassandra() -> Iterator[str]:
    """Url of a Cassandra without keyspaces. It need not wait for other nodes, as there are none."""
    container = DockerContainer(CASSANDRA).with_exposed_ports(9042)
    container.with_env("JVM_EXTRA_OPTS", "-Dcassandra.skip_wait_for_gossip_to_settle=0 -Dcassandra.ring_delay_ms=0")
    container.with_env("MAX_HEAP_SIZE", "768M").with_env("HEAP_NEWSIZE", "128M")
    with container:
        LogMessageWaitStrategy("Starting listening for CQL").with_startup_timeout(120).wait_until_ready(container)
        yield f"cassandra://{_address(container, 9042)}/millrace"


def _address(container: DockerContainer, port: int) -> str:
    return f"{container.get_container_host_ip()}:{container.get_exposed_port(port)}"


_KAFKA = {
    "KAFKA_NODE_ID": "1",
    "KAFKA_PROCESS_ROLES": "broker,controller",
    "KAFKA_LISTENERS": "EXTERNAL://:9092,CONTROLLER://:9093",
    "KAFKA_LISTENER_SECURITY_PROTOCOL_MAP": "EXTERNAL:PLAINTEXT,CONTROLLER:PLAINTEXT",
    "KAFKA_INTER_BROKER_LISTENER_NAME": "EXTERNAL",
    "KAFKA_CONTROLLER_LISTENER_NAMES": "CONTROLLER",
    "KAFKA_CONTROLLER_QUORUM_VOTERS": "1@localhost:9093",
    "KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR": "1",
    "KAFKA_OFFSETS_TOPIC_NUM_PARTITIONS": "1",
    "KAFKA_TRANSACTION_STATE_LOG_REPLICATION_FACTOR": "1",
    "KAFKA_TRANSACTION_STATE_LOG_MIN_ISR": "1",
    "KAFKA_GROUP_INITIAL_REBALANCE_DELAY_MS": "0",
    "KAFKA_AUTO_CREATE_TOPICS_ENABLE": "false",
}

"""The schema registry as a process: `schemas`' app over the record log that `streams` keeps in Kafka."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from millrace.stack.answered import answered
from millrace.stack.brokers import brokers
from millrace.stack.port import check_free
from millrace.stack.server import Port

PATIENCE = 60.0
"""Seconds that the registry waits for Kafka when it starts, so that both can be started at once."""


@dataclass(frozen=True)
class RegistryServer:
    """Our registry at `port`, over the Kafka at `kafka`. Everything it knows is in Kafka's `_schemas` topic."""

    kafka: str
    port: int = 18081
    name: str = "registry"

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def ports(self) -> tuple[Port, ...]:
        return (Port(self.port, "MILLRACE_REGISTRY_URL=http://127.0.0.1:{port}"),)

    def fetch(self, show: bool) -> None:
        """Nothing to fetch."""

    def prepare(self) -> None:
        """Nothing to prepare."""

    def command(self) -> list[str]:
        module = [sys.executable, "-m", "millrace.stack.registry"]
        return [*module, "--kafka", self.kafka, "--host", "127.0.0.1", "--port", str(self.port)]

    def ready(self) -> bool:
        """Whether it lists its subjects."""
        return answered(f"{self.address}/subjects") is not None


def run_registry(kafka: str, host: str, port: int) -> None:
    """Serve the registry until SIGTERM or SIGINT; waits for Kafka first. Blocks.

    Args:
        kafka: bootstrap servers, comma separated.

    Raises:
        StackError: the port cannot be had.
        KafkaUnavailable: no broker answered for `PATIENCE` seconds.
    """
    import uvicorn

    from millrace.platform import READERS
    from schemas import Registry
    from schemas.readers import Readers
    from schemas.registry_http import registry_app
    from streams import Kafka, KafkaRecordLog, KafkaTable

    check_free(Port(port, "--port {port}"), "the registry")
    _wait_for(kafka)
    cluster = Kafka(kafka)
    with closing(KafkaRecordLog(cluster)) as log, closing(KafkaTable(cluster, READERS)) as readers:
        registry = Registry(log, Readers(readers))
        uvicorn.run(registry_app(registry), host=host, port=port, log_level="warning", ws="none")


def _wait_for(kafka: str) -> None:
    """Wait until one of the servers has brokers; after `PATIENCE` the client itself says what is wrong."""
    servers = [urlsplit(f"//{server.strip()}") for server in kafka.split(",")]
    until, said = time.monotonic() + PATIENCE, False
    while time.monotonic() < until:
        if any(brokers(server.hostname or "", server.port or 9092) for server in servers):
            return
        if not said:
            sys.stderr.write(f"Waiting up to {PATIENCE:.0f} s for Kafka at {kafka}.\n")
            said = True
        time.sleep(0.03)


def main(arguments: Sequence[str] | None = None) -> None:
    """`python -m millrace.stack.registry --kafka HOST:PORT --port N`."""
    parser = argparse.ArgumentParser(prog=f"python -m millrace.stack.{Path(__file__).stem}", description=__doc__)
    parser.add_argument("--kafka", required=True, help="bootstrap servers, comma separated")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on")
    parser.add_argument("--port", type=int, required=True, help="port to listen on")
    chosen = parser.parse_args(arguments)
    run_registry(chosen.kafka, chosen.host, chosen.port)


if __name__ == "__main__":
    main()

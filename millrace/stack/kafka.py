"""One real Kafka, broker and controller in one process, on loopback."""

from __future__ import annotations

import base64
import os
import secrets
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from millrace.stack.artefacts import KAFKA
from millrace.stack.brokers import brokers
from millrace.stack.errors import StackError
from millrace.stack.fetch import fetched
from millrace.stack.java import java
from millrace.stack.server import Port

_FRAME = ("\tat ", "\t... ")
_QUIET = ("-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",)


@dataclass(frozen=True)
class KafkaServer:
    """Kafka 4.1.1 with its log in `folder`; replication and internal topics sized for one broker."""

    folder: Path
    port: int = 19092
    controller_port: int = 19093
    name: str = "kafka"

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def ports(self) -> tuple[Port, ...]:
        return (
            Port(self.port, "MILLRACE_KAFKA=127.0.0.1:{port}"),
            Port(self.controller_port, "MILLRACE_KAFKA_CONTROLLER_PORT={port}"),
        )

    def fetch(self, show: bool) -> None:
        java()
        fetched(KAFKA, show)

    def prepare(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self._configure(self._properties, self._data)
        if not self._data.exists():
            self._format()

    def command(self) -> list[str]:
        return [*_jvm(), "-Xmx512m", "kafka.Kafka", str(self._properties)]

    def ready(self) -> bool:
        """Whether the broker serves: it lists itself among the brokers only when the controller has let it in."""
        return brokers("127.0.0.1", self.port) > 0

    @property
    def _data(self) -> Path:
        return self.folder.absolute() / "log"

    @property
    def _properties(self) -> Path:
        return self.folder.absolute() / "server.properties"

    def _configure(self, file: Path, data: Path) -> None:
        broker, controller = f"127.0.0.1:{self.port}", f"127.0.0.1:{self.controller_port}"
        properties = {
            "process.roles": "broker,controller",
            "node.id": "1",
            "controller.quorum.voters": f"1@{controller}",  # from here, not from the log: the port may change
            "listeners": f"PLAINTEXT://{broker},CONTROLLER://{controller}",
            "advertised.listeners": f"PLAINTEXT://{broker}",
            "controller.listener.names": "CONTROLLER",
            "log.dirs": data.as_posix(),
            "auto.create.topics.enable": "false",
            "num.partitions": "4",
            "group.initial.rebalance.delay.ms": "0",
            "offsets.topic.num.partitions": "1",
            "transaction.state.log.num.partitions": "1",
            "share.coordinator.state.topic.num.partitions": "1",
        }
        for topic in ("offsets.topic", "transaction.state.log", "share.coordinator.state.topic"):
            properties[f"{topic}.replication.factor"] = "1"
        for topic in ("transaction.state.log", "share.coordinator.state.topic"):
            properties[f"{topic}.min.isr"] = "1"
        file.write_text("".join(f"{name}={value}\n" for name, value in properties.items()), "utf-8")

    def _format(self) -> None:
        """Make an empty log beside its place and move it there: one that was left halfway is never taken for a log."""
        partial, file = self.folder.absolute() / "formatting", self.folder / "formatting.properties"
        shutil.rmtree(partial, ignore_errors=True)
        self._configure(file, partial)
        options = ["--cluster-id", _cluster(secrets.token_bytes(16)), "--config", str(file)]
        tool = [*_jvm(), "-XX:TieredStopAtLevel=1", "kafka.tools.StorageTool", "format", *options]
        done = subprocess.run(tool, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            said = reason(done.stderr) or reason(done.stdout)
            raise StackError(
                f"Kafka could not make its storage in {self.folder} ({said}); correct that and start again."
            )
        partial.rename(self._data)
        file.unlink()


def reason(output: str) -> str:
    """The last line of a Java program's output that is no frame of a stack trace: its deepest cause, if it raised."""
    lines = [line for line in output.splitlines() if line.strip() and not line.startswith(_FRAME)]
    return lines[-1].removeprefix('Exception in thread "main" ').strip() if lines else ""


def _cluster(chosen: bytes) -> str:
    """A cluster id in Kafka's spelling. It never begins with `-`, which the tool would take for an option."""
    return base64.urlsafe_b64encode(bytes([chosen[0] & 0x7F, *chosen[1:]])).decode().rstrip("=")


def _jvm() -> list[str]:
    libraries = sorted(str(jar) for jar in fetched(KAFKA, show=False).glob("*.jar"))
    return [str(java()), "-cp", os.pathsep.join(libraries), *_QUIET]

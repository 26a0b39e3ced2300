"""One real Cassandra on loopback: a cluster of a single node."""

from __future__ import annotations

import json
import os
import socket
import struct
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from millrace.stack.artefacts import CASSANDRA
from millrace.stack.fetch import fetched
from millrace.stack.java17 import java17
from millrace.stack.server import Port

_HEAP = ("-Xms512m", "-Xmx512m", "-Xss256k", "-XX:+UseSerialGC", "-XX:+ExitOnOutOfMemoryError")
_QUICK = (
    "-Dcassandra.ring_delay_ms=100",
    "-Dcassandra.skip_wait_for_gossip_to_settle=0",
    "-Dcassandra.initial_token=0",
    "-Dcassandra.superuser_setup_delay_ms=0",
)
_OPENED = {  # what its own start script opens of Java 17
    "exports": (
        "java.base/java.lang.ref",
        "java.base/jdk.internal.misc",
        "java.base/jdk.internal.ref",
        "java.base/sun.nio.ch",
        "java.management.rmi/com.sun.jmx.remote.internal.rmi",
        "java.rmi/sun.rmi.registry",
        "java.rmi/sun.rmi.server",
        "java.sql/java.sql",
        "jdk.unsupported/sun.misc",
    ),
    "opens": (
        "java.base/java.io",
        "java.base/java.lang",
        "java.base/java.lang.module",
        "java.base/java.nio",
        "java.base/java.util",
        "java.base/java.util.concurrent",
        "java.base/java.util.concurrent.atomic",
        "java.base/jdk.internal.loader",
        "java.base/jdk.internal.math",
        "java.base/jdk.internal.module",
        "java.base/jdk.internal.ref",
        "java.base/jdk.internal.reflect",
        "java.base/jdk.internal.util.jar",
        "java.base/sun.net.spi",
        "java.base/sun.nio.ch",
        "jdk.management/com.sun.management.internal",
    ),
}
_LOGBACK = """<configuration>
  <appender name="STDOUT" class="ch.qos.logback.core.ConsoleAppender">
    <encoder><pattern>%-5level %date{ISO8601} %logger{0}: %msg%n</pattern></encoder>
  </appender>
  <root level="WARN"><appender-ref ref="STDOUT"/></root>
</configuration>
"""
_OPTIONS = struct.pack(">BBhBi", 4, 0, 0, 5, 0)
"""The first request of CQL's protocol, without a body: it needs no credentials."""
_SUPPORTED = 6


@dataclass(frozen=True)
class CassandraServer:
    """Cassandra 5.0.5 with its data in `folder`. What it acknowledges is on disk; whoever reaches its port is let in.

    Attributes:
        options: more of `cassandra.yaml`, such as its authenticator.
    """

    folder: Path
    port: int = 19042
    keyspace: str = "millrace"
    options: dict[str, Any] = field(default_factory=dict)
    name: str = "cassandra"

    @property
    def address(self) -> str:
        return f"cassandra://127.0.0.1:{self.port}/{self.keyspace}"

    @property
    def ports(self) -> tuple[Port, ...]:
        """The port after the first is for other nodes, of which there are none; it cannot be switched off."""
        setting = f"MILLRACE_CASSANDRA_URL=cassandra://127.0.0.1:{{port}}/{self.keyspace}"
        return Port(self.port, setting), Port(self.port + 1, f"{setting} (it needs the port before this one too)")

    def fetch(self, show: bool) -> None:
        java17(show)
        fetched(CASSANDRA, show)

    def prepare(self) -> None:
        self._configuration.mkdir(parents=True, exist_ok=True)
        (self._configuration / "cassandra.yaml").write_text(json.dumps(self._settings(), indent=1), "utf-8")
        (self._configuration / "logback.xml").write_text(_LOGBACK, "utf-8")

    def command(self) -> list[str]:
        opened = [
            part
            for kind, names in _OPENED.items()
            for name in names
            for part in (f"--add-{kind}", f"{name}=ALL-UNNAMED")
        ]
        libraries = sorted(str(jar) for jar in fetched(CASSANDRA, show=False).glob("*.jar"))
        properties = [
            "-Djdk.attach.allowAttachSelf=true",
            "-Dio.netty.tryReflectionSetAccessible=true",
            "-Dcassandra-foreground=yes",
            f"-XX:ErrorFile={self.folder.absolute() / 'crash.log'}",
            f"-Dcassandra.config={(self._configuration / 'cassandra.yaml').as_uri()}",
            f"-Dcassandra.storagedir={self.folder.absolute()}",
            f"-Dlogback.configurationFile={(self._configuration / 'logback.xml').as_uri()}",
        ]
        program = "org.apache.cassandra.service.CassandraDaemon"
        return [
            str(java17(show=False)),
            *_HEAP,
            *_QUICK,
            *properties,
            *opened,
            "-cp",
            os.pathsep.join(libraries),
            program,
        ]

    def ready(self) -> bool:
        """Whether it answers clients: it listens to them last."""
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=1.0) as connection:
                connection.sendall(_OPTIONS)
                return connection.recv(9)[4:5] == bytes([_SUPPORTED])
        except OSError:
            return False

    @property
    def _configuration(self) -> Path:
        return self.folder.absolute() / "conf"

    def _settings(self) -> dict[str, Any]:
        """`cassandra.yaml`, of which JSON is a part."""
        folder, seeds = self.folder.absolute(), f"127.0.0.1:{self.port + 1}"
        return {
            "cluster_name": "millrace",
            "num_tokens": 1,
            "partitioner": "org.apache.cassandra.dht.Murmur3Partitioner",
            "endpoint_snitch": "SimpleSnitch",
            "seed_provider": [
                {"class_name": "org.apache.cassandra.locator.SimpleSeedProvider", "parameters": [{"seeds": seeds}]}
            ],
            "listen_address": "127.0.0.1",
            "storage_port": self.port + 1,
            "rpc_address": "127.0.0.1",
            "native_transport_port": self.port,
            "data_file_directories": [str(folder / "data")],
            "commitlog_directory": str(folder / "commitlog"),
            "saved_caches_directory": str(folder / "saved_caches"),
            "hints_directory": str(folder / "hints"),
            "cdc_raw_directory": str(folder / "cdc_raw"),
            "commitlog_sync": "batch",  # a single node has nobody else who remembers what it acknowledged
            "commit_failure_policy": "die",  # one that stops is there and takes nobody in, until it is started again
            "disk_failure_policy": "die",
            "memtable_heap_space": "96MiB",
            "memtable_offheap_space": "96MiB",
            "paxos_variant": "v2",
            "read_request_timeout": "10s",  # a machine that does everything may be busy
            "write_request_timeout": "10s",
            "cas_contention_timeout": "5s",
            "auto_snapshot": False,
            "hinted_handoff_enabled": False,
            "authenticator": "AllowAllAuthenticator",
            "authorizer": "AllowAllAuthorizer",
            **self.options,
        }

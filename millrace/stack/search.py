"""One real OpenSearch with k-NN on loopback, put together from Maven artefacts."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from millrace.stack.answered import answered
from millrace.stack.artefacts import OPENSEARCH
from millrace.stack.search_home import SearchHome
from millrace.stack.server import Port
from millrace.stack.unprivileged import give

_MODULES = {
    "transport-netty4": "org.opensearch.transport.Netty4ModulePlugin",
    "transport-grpc": "org.opensearch.transport.grpc.GrpcPlugin",
    "lang-painless": "org.opensearch.painless.PainlessModulePlugin",
}
"""What it needs to speak HTTP, and what k-NN extends; no other module, as some do not start on every Java."""
_HOME = SearchHome(OPENSEARCH, "3.6.0", _MODULES, "opensearch-knn")
_LOGGING = """\
status = error
appender.console.type = Console
appender.console.name = console
appender.console.layout.type = PatternLayout
appender.console.layout.pattern = [%d{ISO8601}][%-5p][%-25c{1.}] %m%n
rootLogger.level = warn
rootLogger.appenderRef.console.ref = console
"""


@dataclass(frozen=True)
class SearchServer:
    """OpenSearch 3.6.0, one node without security, with its data in `folder`. It refuses to run as root."""

    folder: Path
    port: int = 19200
    name: str = "search"

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def ports(self) -> tuple[Port, ...]:
        return (Port(self.port, "MILLRACE_SEARCH_URL=http://127.0.0.1:{port}"),)

    def fetch(self, show: bool) -> None:
        _HOME.fetch(show)

    def prepare(self) -> None:
        for part in ("config", "data", "logs"):
            (self._home / part).mkdir(parents=True, exist_ok=True)
        settings = {
            "cluster.name": "millrace",
            "node.name": "millrace",
            "network.host": "127.0.0.1",
            "http.port": self.port,
            "discovery.type": "single-node",
            "path.data": f'"{(self._home / "data").as_posix()}"',
            "path.logs": f'"{(self._home / "logs").as_posix()}"',
            "node.store.allow_mmap": "false",  # needs no change of the system's limits
            "cluster.routing.allocation.disk.threshold_enabled": "false",
        }
        text = "".join(f"{name}: {value}\n" for name, value in settings.items())
        (self._home / "config" / "opensearch.yml").write_text(text, "utf-8")
        (self._home / "config" / "log4j2.properties").write_text(_LOGGING, "utf-8")
        give(self._home)

    def command(self) -> list[str]:
        return _HOME.command(self._home / "config")

    def ready(self) -> bool:
        """Whether it has opened all that it holds."""
        found = answered(f"{self.address}/_cluster/health")
        try:
            return found is not None and json.loads(found)["status"] in ("green", "yellow")
        except ValueError:
            return False

    @property
    def _home(self) -> Path:
        return self.folder.absolute()

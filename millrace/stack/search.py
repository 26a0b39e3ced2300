"""One real OpenSearch with k-NN on loopback, put together from Maven artefacts."""

from __future__ import annotations

import shutil
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

import httpx

from millrace.stack.artefacts import OPENSEARCH, filling, keeping
from millrace.stack.fetch import fetched
from millrace.stack.java import java
from millrace.stack.server import Port
from millrace.stack.unprivileged import give, unprivileged

_VERSION = "3.6.0"
_JAVA = 21
_MODULES = {
    "transport-netty4": "org.opensearch.transport.Netty4ModulePlugin",
    "transport-grpc": "org.opensearch.transport.grpc.GrpcPlugin",
    "lang-painless": "org.opensearch.painless.PainlessModulePlugin",
}
"""What it needs to speak HTTP, and what k-NN extends; no other module, as some do not start on every Java."""
_PLUGIN = "opensearch-knn"
_UNPACKED = 12 << 20
_OPTIONS = (
    "-Xms256m",
    "-Xmx256m",
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",  # it starts in half the time
    "-XX:-UsePerfData",
    "-Djava.awt.headless=true",
    "-Dfile.encoding=UTF-8",
    "-Djna.nosys=true",
    "-Dio.netty.noUnsafe=true",
    "-Dlog4j.shutdownHookEnabled=false",
    "-Dlog4j2.disable.jmx=true",
    "--enable-native-access=ALL-UNNAMED",
    "-Dopensearch.distribution.type=tar",
    "-Dopensearch.bundled_jdk=false",
)
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
        _java()
        unprivileged(_TITLE)
        _assemble(fetched(OPENSEARCH, show))

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
        program = OPENSEARCH.place
        agent = next(program.glob("agent/opensearch-agent-[0-9]*.jar"))
        places = [f"-Dopensearch.path.home={program}", f"-Dopensearch.path.conf={self._home / 'config'}"]
        running = [f"-javaagent:{agent}", "-cp", f"{program}/lib/*", "org.opensearch.bootstrap.OpenSearch"]
        return [*unprivileged(_TITLE), str(_java()), *_OPTIONS, *places, *running]

    def ready(self) -> bool:
        """Whether it has opened all that it holds."""
        try:
            answer = httpx.get(f"{self.address}/_cluster/health", timeout=1.0, trust_env=False)
            return answer.status_code == 200 and answer.json()["status"] in ("green", "yellow")
        except (httpx.HTTPError, ValueError):
            return False

    @property
    def _home(self) -> Path:
        return self.folder.absolute()


_TITLE = OPENSEARCH.title


def _java() -> Path:
    return java(_TITLE, _JAVA)


def _assemble(home: Path) -> None:
    """Make what was fetched the home folder of OpenSearch: each module says what it is, and the plugin is unpacked."""
    plugin = home / "plugins" / _PLUGIN
    if plugin.is_dir():
        return
    with filling(home, _UNPACKED, _TITLE):
        (home / "bin").mkdir(exist_ok=True)  # it looks for it
        for module, entry in _MODULES.items():
            with keeping(home / "modules" / module / "plugin-descriptor.properties") as file:
                file.write_text(_descriptor(module, entry), "utf-8")
        plugin.parent.mkdir(exist_ok=True)
        unpacking = Path(tempfile.mkdtemp(prefix=".fetching-", dir=home))
        with zipfile.ZipFile(next(home.glob(f"archives/{_PLUGIN}-*.zip"))) as archive:
            archive.extractall(unpacking)
        unpacking.chmod(0o755)
        try:
            unpacking.rename(plugin)
        except OSError:
            shutil.rmtree(unpacking)
            if not plugin.is_dir():  # another process was faster
                raise


def _descriptor(module: str, entry: str) -> str:
    lines = {
        "name": module,
        "description": module,
        "version": _VERSION,
        "opensearch.version": _VERSION,
        "java.version": _JAVA,
        "classname": entry,
        "extended.plugins": "",
        "has.native.controller": "false",
    }
    return "".join(f"{name}={value}\n" for name, value in lines.items())

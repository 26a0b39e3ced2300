"""The home folder of an OpenSearch that is put together from Maven artefacts, and how it is run."""

from __future__ import annotations

import shutil
import tempfile
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from millrace.stack.artefacts import Artefacts, filling, keeping
from millrace.stack.fetch import fetched
from millrace.stack.java import java
from millrace.stack.unprivileged import unprivileged

_JAVA = 21
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


@dataclass(frozen=True)
class SearchHome:
    """One version of OpenSearch with one plugin.

    Attributes:
        artefacts: its files, in the folders of its home; the plugin's zip in `archives`.
        version: of the engine.
        modules: name -> class of what it is to load of `modules/`; each needs a descriptor that no artefact brings.
        plugin: name of its plugin.
    """

    artefacts: Artefacts
    version: str
    modules: Mapping[str, str]
    plugin: str

    @property
    def place(self) -> Path:
        """The folder."""
        return self.artefacts.place

    def fetch(self, show: bool) -> None:
        """Have it whole, and a Java and a user to run it. Blocks.

        Raises:
            StackError: it cannot be had.
        """
        self._java()
        unprivileged(self.artefacts.title)
        self._assemble(fetched(self.artefacts, show))

    def command(self, config: Path) -> list[str]:
        """The command line that runs it with the configuration of a folder. It refuses to run as root."""
        agent = next(self.place.glob("agent/opensearch-agent-[0-9]*.jar"))
        places = [f"-Dopensearch.path.home={self.place}", f"-Dopensearch.path.conf={config}"]
        running = [f"-javaagent:{agent}", "-cp", f"{self.place}/lib/*", "org.opensearch.bootstrap.OpenSearch"]
        return [*unprivileged(self.artefacts.title), str(self._java()), *_OPTIONS, *places, *running]

    def _java(self) -> Path:
        return java(self.artefacts.title, _JAVA)

    def _assemble(self, home: Path) -> None:
        """Make what was fetched a home: each module says what it is, and the plugin is unpacked."""
        plugin = home / "plugins" / self.plugin
        if plugin.is_dir():
            return
        with filling(home, _UNPACKED, self.artefacts.title):
            (home / "bin").mkdir(exist_ok=True)  # it looks for it
            for module, entry in self.modules.items():
                with keeping(home / "modules" / module / "plugin-descriptor.properties") as file:
                    file.write_text(self._descriptor(module, entry), "utf-8")
            plugin.parent.mkdir(exist_ok=True)
            unpacking = Path(tempfile.mkdtemp(prefix=".fetching-", dir=home))
            with zipfile.ZipFile(next(home.glob(f"archives/{self.plugin}-*.zip"))) as archive:
                archive.extractall(unpacking)
            unpacking.chmod(0o755)
            try:
                unpacking.rename(plugin)
            except OSError:
                shutil.rmtree(unpacking)
                if not plugin.is_dir():  # another process was faster
                    raise

    def _descriptor(self, module: str, entry: str) -> str:
        lines = {
            "name": module,
            "description": module,
            "version": self.version,
            "opensearch.version": self.version,
            "java.version": _JAVA,
            "classname": entry,
            "extended.plugins": "",
            "has.native.controller": "false",
        }
        return "".join(f"{name}={value}\n" for name, value in lines.items())

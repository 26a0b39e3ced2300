"""A Redis that asks for TLS and for a user's password, with the roles of docs/roles.md."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

from millrace.stack.redis import RedisServer
from tests.storage.certificates import Authority, missing
from tests.storage.guarded import PASSWORD, ROLES


class GuardedRedis:
    """A real server that listens with TLS alone, whose default user is off.

    Attributes:
        authority: has signed its certificate.
    """

    def __init__(self, folder: Path, port: int) -> None:
        self.authority = Authority(folder, "authority")
        self._certificate, self._key = self.authority.signed("server")
        self._folder, self._port = folder, port
        self._process: subprocess.Popen[str] | None = None

    def start(self, *options: str) -> None:
        """Start it, and wait until it takes connections. Skips the test where this Redis has no TLS."""
        server = RedisServer(self._folder / "data", 0)
        server.prepare()
        (self._folder / "users.acl").write_text("".join(f"{line}\n" for line in ["user default off", *users()]))
        command = [
            *server.command(),
            *("--port", "0", "--tls-port", str(self._port), "--aclfile", str(self._folder / "users.acl")),
            *("--tls-cert-file", str(self._certificate), "--tls-key-file", str(self._key)),
            *("--tls-ca-cert-file", str(self.authority.file), "--tls-auth-clients", "no", *options),
        ]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        assert self._process.stdout is not None
        said = []
        for line in self._process.stdout:
            said.append(line)
            if "Ready to accept connections" in line:
                return
        self._process.wait()
        if any("Bad directive" in line for line in said):
            missing("this redis-server was built without TLS: scripts/servers installs one that has it")
        raise AssertionError("".join(said))

    def url(self, user: str, password: str = PASSWORD, host: str = "localhost", more: str = "") -> str:
        """The address for a user, who trusts its authority."""
        return f"rediss://{user}:{password}@{host}:{self._port}/0?ssl_ca_certs={self.authority.file}{more}"

    def stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None


def users() -> list[str]:
    """The users as docs/roles.md tells to create them, with this test's password."""
    lines = re.findall(r"^ACL SETUSER (\S+) (.*?[^\\])$", _joined(ROLES.read_text("utf-8")), re.MULTILINE)
    return [f"user {name} {rules.replace('PASSWORD', PASSWORD)}" for name, rules in lines]


def _joined(text: str) -> str:
    """Lines that end with a backslash go on in the next."""
    return re.sub(r"\\\n\s*", "", text)

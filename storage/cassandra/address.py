"""A Cassandra's address, as settings have it.

cassandra://user:password@host:port,host2:port/keyspace?option=value

ssl_ca_certs=FILE    TLS; servers must show a certificate that these authorities signed; "system" = those of the system
ssl_certfile=FILE, ssl_keyfile=FILE     the certificate that this client shows
replication=dc1:3,dc2:3 or replication=3     how a keyspace that does not exist yet is made; else 3, or fewer nodes
local_dc=dc1         the data centre to ask first
slots=8              into how many partitions a storage's rows are spread, when it is first written
"""

from __future__ import annotations

import re
import ssl
from dataclasses import dataclass, field
from urllib.parse import parse_qs, unquote, urlsplit

from storage.errors import StorageError

_PORT = 9042
_OPTIONS = {"ssl_ca_certs", "ssl_certfile", "ssl_keyfile", "replication", "local_dc", "slots"}
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,47}")
SLOTS = 8
"""More make each commit slower; fewer make the partitions of a large storage large."""


@dataclass(frozen=True)
class CassandraAddress:
    """Where a cluster is and how it is reached. Its password is in none of its texts.

    Raises:
        StorageError: `of` cannot read the address; the message says what is wrong with it.
    """

    nodes: tuple[tuple[str, int], ...]
    keyspace: str
    user: str = ""
    password: str = field(default="", repr=False)
    options: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, url: str) -> CassandraAddress:
        """Read an address."""
        try:
            parts = urlsplit(url)
            options = {
                name: values[-1] for name, values in parse_qs(parts.query, strict_parsing=bool(parts.query)).items()
            }
        except ValueError:
            raise _problem("its options are not name=value") from None
        if "@" in f"{parts.path}{parts.query}{parts.fragment}":
            raise _problem("a /, ? or # in its password is written %2F, %3F or %23")
        credentials, _, hosts = parts.netloc.rpartition("@")
        user, _, password = credentials.partition(":")
        keyspace = parts.path.strip("/") or "millrace"
        if parts.scheme != "cassandra" or not hosts:
            raise _problem("it begins with cassandra:// and names a host")
        if not _NAME.fullmatch(keyspace):
            raise _problem(f"{keyspace!r} cannot name a keyspace: letters, digits and _, at most 48")
        if unknown := options.keys() - _OPTIONS:
            raise _problem(f"it has no option {sorted(unknown)[0]!r}; there are {', '.join(sorted(_OPTIONS))}")
        nodes = tuple(_node(host) for host in hosts.split(","))
        found = cls(nodes, keyspace, unquote(user), unquote(password), options)
        _ = found.slots, found.replication
        return found

    @property
    def where(self) -> str:
        """Its hosts and ports, for messages, with the setting that says so."""
        return f"{','.join(f'{host}:{port}' for host, port in self.nodes)} (cassandra_url)"

    @property
    def slots(self) -> int:
        """See the options above."""
        text = self.options.get("slots", str(SLOTS))
        if not text.isdecimal() or not 1 <= int(text) <= 4096:
            raise _problem(f"slots is a number from 1 to 4096, not {text!r}")
        return int(text)

    @property
    def replication(self) -> dict[str, int]:
        """Copies by data centre; nothing where the option is not there."""
        text = self.options.get("replication", "")
        if text.isdecimal():
            return {"replication_factor": int(text)}
        pairs = [re.fullmatch(r"([\w.-]+):(\d+)", part) for part in text.split(",") if text]
        if not all(pairs):
            raise _problem(f"replication is 3, or dc1:3,dc2:3, not {text!r}")
        return {pair[1]: int(pair[2]) for pair in pairs if pair}

    def ssl_context(self) -> ssl.SSLContext | None:
        """What TLS checks and shows; None = no TLS.

        Raises:
            StorageError: a file cannot be read.
        """
        authorities = self.options.get("ssl_ca_certs")
        if authorities is None:
            return None
        try:
            context = ssl.create_default_context(cafile=None if authorities == "system" else authorities)
            if certificate := self.options.get("ssl_certfile"):
                context.load_cert_chain(certificate, self.options.get("ssl_keyfile"))
        except OSError as error:  # ssl.SSLError is one
            raise _problem(f"its certificates cannot be read ({error})") from error
        return context


def _node(text: str) -> tuple[str, int]:
    match = re.fullmatch(r"\[(?P<six>[^\]]+)\](:(?P<port6>\d+))?|(?P<host>[^:\[\]]+)(:(?P<port>\d+))?", text)
    if match is None:
        raise _problem(f"{text!r} is no host:port")
    port = int(match["port"] or match["port6"] or _PORT)
    if not 0 < port < 65536:
        raise _problem(f"{port} is no port")
    return unquote(match["six"] or match["host"]), port


def _problem(what: str) -> StorageError:
    return StorageError(f"The address of Cassandra cannot be used: {what}; correct cassandra_url.")

"""Which node of a Redis Cluster has which keys. No I/O."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from redis.crc import key_slot

from storage.redis_address import no_address

SCHEMES = {"redis+cluster": "redis", "rediss+cluster": "rediss"}
"""Of a cluster's url, and of its nodes'."""


class Slots:
    """The cluster's map, as one of its nodes told it.

    Args:
        reply: of CLUSTER SLOTS: per range its first and last slot, then its master (address, port, ..) and replicas.
        asked: the node that told it, as a url; a range without an address is that node's own.
    """

    def __init__(self, reply: Iterable[Sequence[Any]], asked: str) -> None:
        found = sorted((int(first), int(last), master) for first, last, master, *_ in reply)
        self._firsts = [first for first, _, _ in found]
        self._ranges = [(last, _url(asked, master[0], int(master[1]))) for _, last, master in found]

    def node(self, key: str) -> str | None:
        """The url of the node that has a key; None where no node has its slot."""
        slot = key_slot(key.encode())
        place = bisect_right(self._firsts, slot) - 1
        if place < 0 or self._ranges[place][0] < slot:
            return None
        return self._ranges[place][1]


def seeds(address: str) -> list[str]:
    """The nodes that a cluster's url names, each as a url of its own: "redis+cluster://user:password@a:1,b:2".

    Raises:
        FormatRefused: it is no such address.
    """
    try:
        parts = urlsplit(address)
    except ValueError:
        raise no_address() from None
    user, _, hosts = parts.netloc.rpartition("@")
    prefix = f"{user}@" if user else ""
    return [
        urlunsplit((SCHEMES[parts.scheme], f"{prefix}{host}", parts.path, parts.query, ""))
        for host in hosts.split(",")
        if host
    ]


def is_cluster(address: str) -> bool:
    """Whether a url is that of a cluster."""
    return address.partition("://")[0] in SCHEMES


def _url(asked: str, host: Any, port: int) -> str:
    parts = urlsplit(asked)
    name = host.decode() if isinstance(host, bytes) else str(host or "")
    user, _, _ = parts.netloc.rpartition("@")
    where = f"[{name}]" if ":" in name else name or parts.hostname or "localhost"
    return urlunsplit((parts.scheme, f"{f'{user}@' if user else ''}{where}:{port}", parts.path, parts.query, ""))

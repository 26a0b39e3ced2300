"""Which node of a Redis Cluster has which keys. No I/O."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from typing import Any
from urllib.parse import SplitResult, urlsplit, urlunsplit

from redis.crc import key_slot
from redis.exceptions import MovedError

from storage.errors import FormatRefused
from storage.redis.address import no_address

SCHEMES = {"redis+cluster": "redis", "rediss+cluster": "rediss"}
"""Of a cluster's url, and of its nodes'."""
_SHARDS = "shards="
_ASK = re.compile(r"ASK \d+ (\S*):(\d+)")
_MOVED = re.compile(r"MOVED (\d+) (\S*):(\d+)")


class Slots:
    """The cluster's map, as one of its nodes told it.

    Args:
        reply: of CLUSTER SLOTS: per range its first and last slot, then its master (address, port, ..) and replicas.
        asked: the node that told it, as a url; a range without an address is that node's own.
    """

    def __init__(self, reply: Iterable[Sequence[Any]], asked: str) -> None:
        found = sorted((int(first), int(last), master) for first, last, master, *_ in reply)
        self._asked, self._moved = asked, dict[int, str]()
        self._firsts = [first for first, _, _ in found]
        self._ranges = [(last, _url(asked, master[0], int(master[1]))) for _, last, master in found]

    def node(self, key: str) -> str | None:
        """The url of the node that has a key; None where no node has its slot."""
        slot = key_slot(key.encode())
        if slot in self._moved:
            return self._moved[slot]
        place = bisect_right(self._firsts, slot) - 1
        if place < 0 or self._ranges[place][0] < slot:
            return None
        return self._ranges[place][1]

    def nodes(self) -> list[str]:
        """The urls of all nodes that have slots, each once."""
        return list(dict.fromkeys([*(url for _, url in self._ranges), *self._moved.values()]))

    def learn(self, refusal: BaseException | None) -> bool:
        """Take a node's word for where a slot has gone, if that is why it refused: other nodes may not know it yet."""
        code = "MOVED " if isinstance(refusal, MovedError) else ""  # redis-py takes it out of the text
        said = _MOVED.fullmatch(f"{code}{refusal}")
        if said is not None:
            slot, host, port = said.groups()
            self._moved[int(slot)] = _url(self._asked, host, int(port))
        return said is not None

    def asked(self, said: str) -> str | None:
        """The url of the node that a node which is giving a slot away names for a row that it has no more."""
        found = _ASK.fullmatch(said)
        return None if found is None else _url(self._asked, found[1], int(found[2]))


def seeds(address: str) -> list[str]:
    """The nodes that a cluster's url names, each as a url of its own: "redis+cluster://user:password@a:1,b:2".

    Raises:
        FormatRefused: it is no such address.
    """
    parts = _parts(address)
    query = "&".join(option for option in parts.query.split("&") if not option.startswith(_SHARDS))
    user, _, hosts = parts.netloc.rpartition("@")
    prefix = f"{user}@" if user else ""
    return [
        urlunsplit((SCHEMES[parts.scheme], f"{prefix}{host}", parts.path, query, ""))
        for host in hosts.split(",")
        if host
    ]


def wanted_shards(address: str, otherwise: int, most: int) -> int:
    """Into how many shards a new generation goes, as the option `shards` of a cluster's url says.

    Raises:
        FormatRefused: it says no number from 1 to `most`.
    """
    said = [option for option in _parts(address).query.split("&") if option.startswith(_SHARDS)]
    if not said:
        return otherwise
    number = said[-1].removeprefix(_SHARDS)
    if not (number.isascii() and number.isdigit() and 1 <= int(number) <= most):
        raise FormatRefused(f"The Redis address has an option shards that is no number from 1 to {most}.")
    return int(number)


def is_cluster(address: str) -> bool:
    """Whether a url is that of a cluster."""
    return address.partition("://")[0] in SCHEMES


def _parts(address: str) -> SplitResult:
    try:
        return urlsplit(address)
    except ValueError:
        raise no_address() from None


def _url(asked: str, host: Any, port: int) -> str:
    parts = urlsplit(asked)
    name = host.decode() if isinstance(host, bytes) else str(host or "")
    user, _, _ = parts.netloc.rpartition("@")
    where = f"[{name}]" if ":" in name else name or parts.hostname or "localhost"
    return urlunsplit((parts.scheme, f"{f'{user}@' if user else ''}{where}:{port}", parts.path, parts.query, ""))

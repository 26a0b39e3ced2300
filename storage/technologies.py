"""Every technology: where its code is, what brings its driver, and what it cannot hold, in words.

A new technology is one file with `opened` and `opened_reads`, and one line here. Nothing is imported before it is used.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module
from importlib.util import find_spec
from typing import Any, cast

from storage.descriptor import Descriptor
from storage.errors import DriverMissing, FormatRefused
from storage.exposure import must_be_guarded
from storage.technology import Reads, Technology

FORMATS = ("counters", "ranking", "records", "vectors", "parameters", "documents")
"""Every format, in the order in which people meet them."""


@dataclass(frozen=True)
class Kind:
    """One technology.

    Attributes:
        module: has `opened(address) -> Technology` and `opened_reads(address) -> Reads`; neither connects yet.
        extra: which extra of the distribution brings its driver; None = Python has all it needs.
        refuses: format -> why it cannot be held here.
        lacks: what a format can do elsewhere and not here -> why: "nearest" (of vectors), "search" (full text), "load"
            (rows read back while folding).
    """

    module: str
    extra: str | None = None
    refuses: Mapping[str, str] = field(default_factory=dict)
    lacks: Mapping[str, str] = field(default_factory=dict)


KINDS: dict[str, Kind] = {
    "memory": Kind("storage.memory"),
    "redis": Kind(
        "storage.redis_or_cluster",
        "redis",
        refuses={"documents": "it has no full-text index"},
        lacks={"nearest": "it has no vector index", "search": "it has no full-text index"},
    ),
    "cassandra": Kind(
        "storage.cassandra",
        "cassandra",
        refuses={"documents": "it has no full-text index"},
        lacks={"nearest": "its vector index gives no exact order", "search": "it has no full-text index"},
    ),
    "relational": Kind("storage.relational"),
    "search": Kind(
        "storage.search",
        "search",
        refuses={
            "counters": "it has no sums that are exact when a write is repeated",
            "ranking": "it has no sums that are exact when a write is repeated",
            "parameters": "a model is read back while it is trained, and its rows may be ahead of the position",
        },
        lacks={"load": "its rows may be ahead of the position for a moment"},
    ),
}


def opened(name: str, address: str, insecure: bool = False) -> Technology:
    """Where learners write, by its url; connects with the first call.

    Args:
        insecure: a store off this machine without TLS and credentials is allowed; see `exposure.py`.

    Raises:
        InsecureStore: it is not allowed.
        FormatRefused: there is no such technology.
        DriverMissing: its driver is not installed; the message names the extra.
    """
    module = _module(name)
    must_be_guarded(name, address, insecure)
    return cast(Technology, module.opened(address))


def opened_reads(name: str, address: str, insecure: bool = False) -> Reads:
    """Where the models service reads, by its url; connects with the first call. Raises as `opened` does."""
    module = _module(name)
    must_be_guarded(name, address, insecure)
    return cast(Reads, module.opened_reads(address))


def offered(addresses: Mapping[str, str]) -> dict[str, str]:
    """Of these addresses by technology's name those that are set, and whose code is there."""
    return {name: address for name, address in addresses.items() if address and find_spec(kind(name).module)}


def kind(name: str) -> Kind:
    """What is known of a technology.

    Raises:
        FormatRefused: there is none of this name.
    """
    if name not in KINDS:
        raise FormatRefused(f"There is no technology {name!r}; there are {', '.join(KINDS)}.")
    return KINDS[name]


def must_hold(name: str, descriptor: Descriptor) -> None:
    """Check that a technology can hold a storage.

    Raises:
        FormatRefused: it cannot; the message says why, and names those that can.
    """
    why = kind(name).refuses.get(descriptor.format)
    if why is not None:
        able = [other for other, item in KINDS.items() if descriptor.format not in item.refuses and other != "memory"]
        raise FormatRefused(
            f"{name} cannot hold {descriptor.storage}: {why}; {_either(able)} can: technology={able[0]!r}."
        )


def lacking(name: str, ability: str, what: str) -> FormatRefused:
    """The error for what a technology cannot do with what it holds; see `Kind.lacks`."""
    why = kind(name).lacks.get(ability, "it cannot")
    able = [other for other, item in KINDS.items() if ability not in item.lacks and other != "memory"]
    return FormatRefused(f"{name} cannot do that with {what}: {why}; {_either(able)} can.")


def _module(name: str) -> Any:
    found = kind(name)
    try:
        return import_module(found.module)
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] in ("storage", "schemas"):
            raise
        raise DriverMissing(
            f"{name} needs the package {error.name!r}: install millrace[{found.extra or name}]."
        ) from error


def _either(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} or {names[-1]}"

"""Technologies by their names: opened, and what each of them can hold. `kinds.py` lists them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from typing import cast

from storage.breaking import breaking
from storage.descriptor import Descriptor
from storage.errors import DriverMissing, FormatRefused
from storage.exposure import must_be_guarded
from storage.kinds import KINDS, Kind
from storage.technology import Reads, Technology


def opened(name: str, address: str, insecure: bool = False) -> Technology:
    """Where learners write, by its url; connects with the first call.

    Args:
        insecure: a store off this machine without TLS and credentials is allowed; see `exposure.py`.

    Raises:
        InsecureStore: it is not allowed.
        FormatRefused: there is no such technology, or its address cannot begin like this.
        DriverMissing: its driver is not installed; the message names the extra.
    """
    found = kind(name)
    _must_be_known(found, name, address)
    must_be_guarded(name, address, insecure)
    with _driver(found, name):
        return cast(Technology, import_module(found.module).opened(address))


def opened_reads(name: str, address: str, insecure: bool = False, room: int = 0) -> Reads:
    """Where the models service reads, by its url; connects with the first call. Raises as `opened` does.

    Args:
        room: bytes of memory for rows that were read, where the technology says what changes (`Kind.near`).
    """
    found = kind(name)
    _must_be_known(found, name, address)
    must_be_guarded(name, address, insecure)
    with _driver(found, name):
        module = import_module(found.module)
        reads = cast(Reads, module.opened_reads(address, room) if found.near else module.opened_reads(address))
    return reads if found.breaks else breaking(name, reads)


def offered(addresses: Mapping[str, str]) -> dict[str, str]:
    """Of these addresses by technology's name those that are set."""
    return {name: address for name, address in addresses.items() if address}


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
            f"{name} cannot hold {descriptor.storage}: {why}; {_either(able)} can: {able[0]}/{descriptor.storage}."
        )


def lacking(name: str, ability: str, what: str) -> FormatRefused:
    """The error for what a technology cannot do with what it holds; see `Kind.lacks`."""
    why = kind(name).lacks.get(ability, "it cannot")
    able = [other for other, item in KINDS.items() if ability not in item.lacks and other != "memory"]
    return FormatRefused(f"{name} cannot do that with {what}: {why}; {_either(able)} can.")


def _must_be_known(found: Kind, name: str, address: str) -> None:
    """Another database is said to be that, and not to be open to strangers."""
    if found.schemes and not address.startswith(found.schemes):
        raise FormatRefused(f"`{name}_url` must begin with {_either(list(found.schemes))}.")


@contextmanager
def _driver(found: Kind, name: str) -> Iterator[None]:
    """A package that is missing is named with the extra that brings it."""
    try:
        yield
    except ModuleNotFoundError as error:
        package = (error.name or "storage").partition(".")[0]
        if package in ("storage", "schemas"):
            raise
        raise DriverMissing(
            f"{name} needs the package {package!r}: install millrace[{found.extra or name}]."
        ) from error


def _either(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} or {names[-1]}"

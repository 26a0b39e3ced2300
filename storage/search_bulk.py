"""Many documents written at once, and what became of each: a bulk request succeeds also when its documents do not."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import msgspec
from opensearchpy import OpenSearch

from storage.address import Address
from storage.descriptor import Descriptor
from storage.errors import StorageUnavailable, SuspectGeneration, UnknownOutcome, WriteRefused
from storage.generation import repeated
from storage.search_connection import Server
from storage.search_index import Finding, index_of, row_id, writes_to
from storage.unit import UnitId

_BYTES = 4 << 20
_Line = tuple[Address, bytes]
"""A row's address, and what of the request is its: an action and a document."""


def versioned(
    writer: UnitId, finding: Mapping[str, Finding], rows: Mapping[Address, bytes], position: int
) -> list[_Line]:
    """Rows that replace only what is older than a position.

    Raises:
        WriteRefused: a row that cannot be held; nothing was written.
    """
    return [
        (address, _line(writer, address, row, finding[address.storage], {"index": {"version": position + 1}}))
        for address, row in rows.items()
    ]


def new(writer: Descriptor, finding: Finding, rows: Mapping[Address, bytes]) -> list[_Line]:
    """Rows that must not be there yet. Raises WriteRefused as `versioned` does."""
    return [(address, _line(writer, address, row, finding, {"create": {}})) for address, row in rows.items()]


def write(server: Server, client: OpenSearch, lines: Iterable[_Line]) -> None:
    """Write all of it; a row that is there in a later version stays as it is.

    Raises:
        WriteRefused: a row that was to be new is there already, or cannot be held.
        SuspectGeneration: an index is gone.
        UnknownOutcome: there is no answer.
        StorageUnavailable: it has no room for now. Some may have been written, in each of these cases.
    """
    wanted = "errors,items.*.status,items.*.error.type,items.*.error.reason"
    for part in _parts(lines):
        body = b"".join(line for _, line in part)
        with server.writing():
            answer = client.bulk(body=body, params={"require_alias": "true", "filter_path": wanted})
        if answer["errors"]:
            for (address, _), item in zip(part, answer["items"], strict=True):
                [(action, result)] = item.items()
                _check(server, address, action, result)


def _line(writer: UnitId | Descriptor, address: Address, row: bytes, finding: Finding, action: dict[str, Any]) -> bytes:
    [(name, options)] = action.items()
    if "version" in options:
        options["version_type"] = "external"
    target = {"_index": writes_to(index_of(writer, address.storage)), "_id": row_id(address.key), **options}
    return b"%b\n%b\n" % (msgspec.json.encode({name: target}), finding.document(address.key, row))


def _parts(lines: Iterable[_Line]) -> Iterator[list[_Line]]:
    part: list[_Line] = []
    size = 0
    for line in lines:
        if part and size + len(line[1]) > _BYTES:
            yield part
            part, size = [], 0
        part.append(line)
        size += len(line[1])
    if part:
        yield part


def _check(server: Server, address: Address, action: str, result: Mapping[str, Any]) -> None:
    status = result["status"]
    if status < 300 or (status == 409 and action == "index"):
        return
    where, reason = f"{address.storage} of {address.key!r}", str(result["error"].get("reason"))[:300]
    if status == 409:
        raise repeated(address)
    if status == 404:
        raise SuspectGeneration(f"{where} cannot be written: its index is gone. Erase the version, or rebuild it.")
    if status == 429:
        raise StorageUnavailable(f"OpenSearch at {server.place} has no room for {where} now: {reason}.")
    if status < 500:
        raise WriteRefused(f"{where} cannot be held: {reason}.")
    raise UnknownOutcome(f"OpenSearch at {server.place} failed to write {where}: {reason}; it may have been written.")

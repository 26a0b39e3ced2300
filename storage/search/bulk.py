"""Many documents written at once, and what became of each: a bulk request succeeds also when its documents do not."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import msgspec
from opensearchpy import OpenSearch

from storage.address import Address
from storage.descriptor import Descriptor
from storage.errors import StorageUnavailable, SuspectGeneration, UnknownOutcome, WriteRefused, repeated
from storage.search.connection import Server
from storage.search.index import Finding, index_of, row_id, writes_to
from storage.unit import UnitId

_BYTES = 4 << 20
_FOR_NOW = ("cluster_block_exception", "index_closed_exception")
"""Errors of an index that somebody has closed, or lets nobody write to: nothing is wrong with the rows."""
_Line = tuple[Address, bytes]
"""A row's address, and what of the request is its: an action and a document."""


def versioned(
    writer: UnitId, finding: Mapping[str, Finding], rows: Iterable[tuple[Address, bytes, int]]
) -> list[_Line]:
    """Rows, each with a position, that replace only what is not newer. What is as old is written all the same: it may
    have been seen and not be on the disk yet, and what is acknowledged here is.

    Raises:
        WriteRefused: a row that cannot be held; nothing was written.
    """
    return [
        _line(
            writer, address, row, finding[address.storage], "index", version=position + 1, version_type="external_gte"
        )
        for address, row, position in rows
    ]


def new(writer: Descriptor, finding: Finding, rows: Mapping[Address, bytes]) -> list[_Line]:
    """Rows that must not be there yet. Raises WriteRefused as `versioned` does."""
    return [_line(writer, address, row, finding, "create") for address, row in rows.items()]


def removals(index: str, rows: Iterable[Address]) -> list[_Line]:
    """The end of rows. The engine counts it as one version after the row's, so that what was written of it comes late
    in vain, and the next commit does not: its version is larger by two at least."""
    return [
        (row, msgspec.json.encode({"delete": {"_index": writes_to(index), "_id": row_id(row.key)}}) + b"\n")
        for row in rows
    ]


def write(server: Server, client: OpenSearch, lines: Iterable[_Line]) -> list[Address]:
    """Write all of it; a row that is there in a later version stays as it is. Returns the addresses of those.

    Raises:
        WriteRefused: a row that was to be new is there already, or cannot be held.
        SuspectGeneration: an index is gone.
        UnknownOutcome: there is no answer.
        StorageUnavailable: it has no room for now, or an index is closed, blocked, or not this user's to write. Some
            may have been written, in each of these cases.
    """
    wanted = "errors,items.*.status,items.*.error.type,items.*.error.reason"
    newer: list[Address] = []
    for part in _parts(lines):
        body = b"".join(line for _, line in part)
        with server.writing():
            answer = client.bulk(body=body, params={"require_alias": "true", "filter_path": wanted})
        if answer["errors"]:
            for (address, _), item in zip(part, answer["items"], strict=True):
                [(action, result)] = item.items()
                if action == "index" and result["status"] == 409:
                    newer.append(address)
                elif action != "delete" or result["status"] != 404 or "error" in result:
                    _check(server, address, result)
    return newer


def _line(
    writer: UnitId | Descriptor, address: Address, row: bytes, finding: Finding, action: str, **options: object
) -> _Line:
    target = {"_index": writes_to(index_of(writer, address.storage)), "_id": row_id(address.key), **options}
    return address, b"%b\n%b\n" % (msgspec.json.encode({action: target}), finding.document(address.key, row))


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


def _check(server: Server, address: Address, result: Mapping[str, Any]) -> None:
    status = result["status"]
    if status < 300:
        return
    where, reason = f"{address.storage} of {address.key!r}", str(result["error"].get("reason"))[:300]
    if status == 409:
        raise repeated(address)
    if status == 404:
        raise SuspectGeneration(f"{where} cannot be written: its index is gone. Erase the version, or rebuild it.")
    if status == 429:
        raise StorageUnavailable(f"OpenSearch at {server.place} has no room for {where} now: {reason}.")
    if status == 403 or result["error"].get("type") in _FOR_NOW:
        raise StorageUnavailable(f"OpenSearch at {server.place} does not take {where} now: {reason}.")
    if status < 500:
        raise WriteRefused(f"{where} cannot be held: {reason}.")
    todo = "; make room on its disk" if "No space left" in reason else ""
    raise UnknownOutcome(
        f"OpenSearch at {server.place} failed to write {where}: {reason}; it may have been written{todo}."
    )

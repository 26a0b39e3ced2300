"""OpenSearch as learners write it: rows as documents that only newer ones replace, then the unit's fence.

The engine has no transaction over several documents. A commit writes its rows first, each with the unit's new position
as its version, and when all are acknowledged it moves the fence, by compare-and-set on what was read before. So rows
may be ahead of the position for a moment, and never behind it; a fold is deterministic, so what a zombie, a replay or
a late request writes at a position is what everybody would write there, and it loses against what is newer.

The engine shows what it has not put on the disk yet, and takes it back when the shard fails or the process ends. Only
what it acknowledges is there for good. So nothing is passed over because it was seen: what is there already is
written again.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any

from opensearchpy.exceptions import NotFoundError
from opensearchpy.helpers import scan

from storage.address import Address
from storage.catalogued import Catalogued
from storage.clock import now_ms
from storage.descriptor import Descriptor
from storage.errors import Fenced, Gap, StorageConflict, StorageError, SuspectGeneration, WriteRefused, harmless
from storage.search.bulk import new as new_lines
from storage.search.bulk import removals, versioned, write
from storage.search.catalogue import SearchCatalogue
from storage.search.connection import Server
from storage.search.fence import NOBODY, Fence, fence_id, members_id, members_of, names_of, state_of, unit_name
from storage.search.index import LEASES, STATE, Finding, index_of, row_id, row_of, rows_body, state_body
from storage.search.state import Found, State, is_missing, make
from storage.technologies import lacking, must_hold
from storage.technology import Gone, Newest, Reads, Row
from storage.unit import Claim, Outcome, UnitId, UnitState, must_fit
from storage.writes import Writes

_PAGE = 1_000
_Versioned = tuple[Address, bytes, int]
"""A row, and the position that it is as of."""


class Search(Catalogued):
    """One OpenSearch with k-NN, by its url; see `connection.Server`. Thread-safe.

    It holds rows that were put, and nothing that is added up.
    """

    name = "search"
    _catalogue: SearchCatalogue

    def __init__(self, url: str, timeout: float = 10.0) -> None:
        """Connects with the first call.

        Args:
            timeout: seconds without an answer after which a call gives up.
        """
        self._server = Server(url, timeout)
        self._client = self._server.client()
        self._state = State(self._server, self._client, STATE)
        self._catalogue = SearchCatalogue(self._state, State(self._server, self._client, LEASES))
        self._findings: dict[str, Finding] = {}

    def declare(self, descriptor: Descriptor) -> Descriptor:
        """See `Technology.declare`. Its index is made of what is declared, after it is. What a learner declares stays
        where that fails, for whoever of its workers comes next."""
        must_hold(self.name, descriptor)
        before, found = self._catalogue.declare(descriptor)
        try:
            self._make(found)
            if before is None:
                self._lend()
        except StorageError:
            if before is None and not found.topic:
                with suppress(StorageError):  # what went wrong first is said
                    self._catalogue.withdraw(found)
            raise
        if before is not None and (old := index_of(before, before.storage)) != index_of(found, found.storage):
            self._drop(old)  # it was created before anybody wrote it
        return found

    def alter(self, existing: Descriptor, wanted: Descriptor) -> bool:
        """See `Technology.alter`. What was filled is found by searches from the moment it is ready."""
        if (existing.state, wanted.state) == ("filling", "ready"):
            self._refresh(existing)
        return super().alter(existing, wanted)

    def fill(self, descriptor: Descriptor, writes: Writes) -> None:
        """See `Technology.fill`."""
        _refuse_sums(writes)
        index = index_of(descriptor, descriptor.storage)
        write(self._server, self._client, new_lines(descriptor, self._finding(index), writes.puts))

    def erase(self, descriptor: Descriptor) -> None:
        """See `Technology.erase`."""
        if descriptor.is_last_of(self.storages()):
            members = self._state.get(members_id(descriptor))
            names = members_of(None if members is None else members.source)
            self._state.remove([*(fence_id(descriptor, name) for name in names), members_id(descriptor)])
        self._drop(index_of(descriptor, descriptor.storage))
        self._catalogue.forget(descriptor)

    def trim(self, descriptor: Descriptor, bucket: int) -> None:
        """See `Technology.trim`. Nothing is in buckets here."""

    def expire(self, descriptor: Descriptor, before: str) -> None:
        """See `Technology.expire`. Nothing is added to here."""

    def remove(self, descriptor: Descriptor, claim: Claim | None, gone: Gone) -> None:
        """See `Technology.remove`. What a zombie had sent to be committed may come as long as it is under way: look
        again after a while."""
        self._must_hold(claim)
        index = index_of(descriptor, descriptor.storage)
        write(self._server, self._client, removals(index, [row for row, items in gone.items() if items is None]))
        self._refresh(descriptor)
        self._must_hold(claim)

    def claim(self, unit: UnitId, owner: str) -> Claim:
        """See `Technology.claim`."""
        self._findings.clear()  # an index that was read about may have been erased, and made anew, since
        self._enlist(unit)
        key = fence_id(unit, unit_name(unit))
        while True:
            found = self._state.get(key)
            fence = _fence(found).claimed(owner)
            with harmless():
                if self._state.swap(key, found, fence.source()):
                    return Claim(unit, fence.epoch, owner, fence.next)

    def read(self, claim: Claim, expected: int | None, rows: Sequence[Address]) -> list[bytes | None]:
        """See `Technology.read`. Rows may be ahead of the position, so none is read back: only the fence is looked at.

        Raises:
            FormatRefused: a row is asked for.
        """
        name = unit_name(claim.unit)
        refusal = _fence(self._state.get(fence_id(claim.unit, name))).refusal(claim, expected)
        if refusal is Outcome.FENCED:
            raise _fenced(claim)
        if refusal is Outcome.GAP:
            raise Gap(f"{name} of {claim.unit.learner} does not stand at {expected}; claim again.")
        if rows:
            raise lacking(self.name, "load", rows[0].storage)
        return []

    def commit(self, claim: Claim, expected: int | None, new: int, writes: Writes, watermark_ms: int | None) -> Outcome:
        """See `Technology.commit`. Where a row cannot be written, others of the same commit may have been."""
        must_fit(new)
        _refuse_sums(writes)
        key = fence_id(claim.unit, unit_name(claim.unit))
        found = self._state.get(key)
        refusal = _fence(found).refusal(claim, expected, new)
        if refusal is None:
            self._put(claim.unit, [(address, row, new) for address, row in writes.puts.items()])
        while refusal in (None, Outcome.ALREADY):
            # A move that was seen need not be on the disk yet: what is acknowledged is, so it is written as it is.
            now = _fence(found)
            after = now.moved(new, watermark_ms, now_ms()) if refusal is None else now
            if self._state.swap(key, found, after.source()):
                return refusal or Outcome.OK
            found = self._state.get(key)
            refusal = _fence(found).refusal(claim, expected, new)
        return refusal

    def _must_hold(self, claim: Claim | None) -> None:
        """Raise Fenced where a claim is not the newest any more."""
        if claim is not None:
            fence = _fence(self._state.get(fence_id(claim.unit, unit_name(claim.unit))))
            if fence.refusal(claim, fence.next) is Outcome.FENCED:
                raise _fenced(claim)

    def _put(self, unit: UnitId, rows: list[_Versioned]) -> None:
        """Write rows, each as of a position. One of a zombie that is newer was seen, and may yet be lost with its shard
        before it is on the disk: so it is written once more, for the zombie."""
        findings = {storage: self._finding(index_of(unit, storage)) for storage in {row[0].storage for row in rows}}
        while newer := set(write(self._server, self._client, versioned(unit, findings, rows))):
            rows = self._newest(unit, [row for row in rows if row[0] in newer])

    def _newest(self, unit: UnitId, rows: Sequence[_Versioned]) -> list[_Versioned]:
        """These rows; or those that are there now, where they are newer."""
        wanted = [{"_index": index_of(unit, row[0].storage), "_id": row_id(row[0].key)} for row in rows]
        with self._server.reading():
            answer = self._client.mget(body={"docs": wanted}, params={"preference": "_primary", "_source": "row"})
        return [
            row
            if is_missing(item, self._server) or item["_version"] <= row[2] + 1
            else (row[0], row_of(item["_source"]), item["_version"] - 1)
            for row, item in zip(rows, answer["docs"], strict=True)
        ]

    def units(self, descriptor: Descriptor) -> list[UnitState]:
        """See `Technology.units`."""
        members = self._state.get(members_id(descriptor))
        names = names_of(descriptor, None if members is None else members.source)
        fences = self._state.get_many([fence_id(descriptor, name) for name in names])
        return [
            state_of(descriptor, name, found.source)
            for name, found in zip(names, fences, strict=True)
            if found is not None
        ]

    def newest(self, descriptor: Descriptor) -> Newest:
        """See `Technology.newest`. Nothing decays here."""
        return Newest()

    def dump(self, descriptor: Descriptor) -> Iterator[tuple[Address, Row]]:
        """See `Technology.dump`. Of one moment, all the same."""
        self._refresh(descriptor)
        index = index_of(descriptor, descriptor.storage)
        with self._server.reading():
            try:
                for hit in scan(self._client, index=index, size=_PAGE, query={"_source": ["key", "row"]}):
                    yield Address(descriptor.storage, hit["_source"]["key"]), row_of(hit["_source"])
            except NotFoundError:
                return

    def close(self) -> None:
        """See `Technology.close`."""
        self._client.close()

    def _enlist(self, unit: UnitId) -> None:
        key, name = members_id(unit), unit_name(unit)
        while True:
            found = self._state.get(key)
            names = members_of(None if found is None else found.source)
            with harmless():  # to have seen it is enough: who is lost from the list comes back with its next claim
                if name in names or self._state.swap(key, found, {"units": sorted([*names, name])}):
                    return

    def _make(self, descriptor: Descriptor) -> None:
        index, body = index_of(descriptor, descriptor.storage), rows_body(descriptor)
        with self._server.reading():
            if make(self._client, index, body):
                return
            there = _meta(self._client.indices.get_mapping(index=index))
        if there["fingerprint"] != descriptor.fingerprint:
            raise StorageConflict(
                f"{descriptor.title} finds the index {index}, which a storage with other options has left; delete that."
            )

    def _lend(self) -> None:
        """Make the index of leases, so that whoever reads needs no right to make one."""
        with self._server.reading():
            make(self._client, LEASES, state_body(LEASES))

    def _drop(self, index: str) -> None:
        with self._server.reading():
            self._client.indices.delete(index=index, ignore=404)

    def _refresh(self, descriptor: Descriptor) -> None:
        with self._server.reading():
            self._client.indices.refresh(index=index_of(descriptor, descriptor.storage), ignore=404)

    def _finding(self, index: str) -> Finding:
        """How the rows of an index are found.

        Raises:
            SuspectGeneration: there is no such index.
        """
        found = self._findings.get(index)
        if found is None:
            with self._server.reading():
                answer = self._client.indices.get_mapping(index=index, ignore=404)
            if "error" in answer:
                raise SuspectGeneration(f"There is no index {index}: its storage was erased, or never declared.")
            found = self._findings[index] = Finding.of_json(_meta(answer)["finding"])
        return found


def _meta(mappings: Mapping[str, Any]) -> Mapping[str, str]:
    """What an index says of itself. Raises SuspectGeneration where it was not made by us."""
    [(name, index)] = mappings.items()
    found: Mapping[str, str] | None = index["mappings"].get("_meta", {}).get("millrace")
    if found is None:
        raise SuspectGeneration(f"The index {name} does not say what it holds: somebody else made it. Delete it.")
    return found


def _fenced(claim: Claim) -> Fenced:
    return Fenced(f"{unit_name(claim.unit)} of {claim.unit.learner} was claimed by another worker; claim again.")


def _fence(found: Found | None) -> Fence:
    return NOBODY if found is None else Fence.of(found.source)


def _refuse_sums(writes: Writes) -> None:
    for kind in (writes.sums, writes.scores, writes.ranks):
        for address in kind:
            raise WriteRefused(f"{address.storage} of {address.key!r} cannot be held: there are no sums and scores.")


def opened(address: str) -> Search:
    """See `kinds.Kind`."""
    return Search(address)


def opened_reads(address: str) -> Reads:
    """See `kinds.Kind`."""
    from storage.search.reads import SearchReads

    return SearchReads(address)

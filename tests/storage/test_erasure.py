"""What of a version is somebody's, and how it goes although others claim the unit at the same moment."""

from __future__ import annotations

from storage.address import Address
from storage.erasure import remove, traces
from storage.memory.memory import Memory
from storage.technology import Gone
from storage.unit import Claim
from storage.writes import Writes
from tests.contracts.model import COUNTS, RECORDS, storage, unit


def test_rows_under_the_key_and_items_of_the_name_are_somebodys_and_a_mention_is_said() -> None:
    counts = storage(COUNTS, options={"window_ms": 1000, "window_every_ms": 1000})
    at = "2026-01-01T18:00:00.000Z"
    found = traces(
        counts,
        [
            (Address(COUNTS, f"{at}/ann/1"), {"count": 1}),
            (Address(COUNTS, f"{at}/all"), {"ann/1": 2, "bob": 3}),
            (Address(COUNTS, f"{at}/ann/12"), {"count": 1}),
        ],
        "ann/1",
    )
    assert found.gone == {Address(COUNTS, f"{at}/ann/1"): None, Address(COUNTS, f"{at}/all"): {"ann/1"}}
    assert (found.rows, found.items) == (1, 1)
    rows = [(Address(RECORDS, "42"), b"\x0442"), (Address(RECORDS, "bob"), b"\x0cfriend of ann 1")]
    assert traces(storage(RECORDS), rows, "42", keyed=False).gone == {}
    assert traces(storage(RECORDS), rows, "ann 1").mentions == ["bob"]


class Contended(Memory):
    """A worker claims the unit, twice, before anything can be removed."""

    claims = 0

    def remove(self, descriptor: object, claim: Claim | None, gone: Gone) -> None:
        if self.claims < 2:
            self.claims += 1
            self.claim(unit(), f"worker {self.claims}")
        super().remove(descriptor, claim, gone)  # type: ignore[arg-type]


def test_who_is_claimed_away_while_removing_claims_again() -> None:
    memory, mine = Contended(), Address(RECORDS, "ann")
    memory.commit(memory.claim(unit(), "worker"), None, 3, Writes(puts={mine: b"ann"}), None)
    remove(memory, {"memory/records/seen@1": (storage(RECORDS), {mine: None})})
    assert memory.claims == 2
    assert dict(memory.dump(storage(RECORDS))) == {}
    assert memory.claim(unit(), "worker").next == 3

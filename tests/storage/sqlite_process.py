"""A worker of its own process: `python -m tests.storage.sqlite_process URL PARTITION COMMITS`."""

from __future__ import annotations

import sys
from itertools import count

from storage.address import Address
from storage.errors import StorageUnavailable
from storage.relational.relational import Relational
from storage.relational.sqlite import Sqlite
from storage.unit import Outcome
from storage.writes import Writes
from tests.contracts.model import COUNTS, RECORDS, unit


def main(url: str, partition: int, commits: int) -> None:
    """Add one to a row that all share, and put a row of one's own, again and again from the committed position."""
    technology = Relational(Sqlite(url, timeout=30))
    claim = technology.claim(unit(partition=partition), f"owner {partition}")
    for position in count(claim.next or 0):
        if commits and position == commits:
            return
        row = Address(RECORDS, str(partition))
        writes = Writes(puts={row: str(position + 1).encode()}, sums={Address(COUNTS, "all"): {"x": 1}})
        try:
            outcome = technology.commit(claim, position or None, position + 1, writes, position)
        except StorageUnavailable as error:
            sys.exit(f"{error}")
        assert outcome is Outcome.OK
        print(position + 1, flush=True)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))

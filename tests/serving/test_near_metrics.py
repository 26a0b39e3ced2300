"""What /metrics says of what is kept near the readers."""

from __future__ import annotations

from collections import defaultdict

from serving.metrics import Metrics
from serving.overload.admission import Admission
from storage.catalogue import Catalogue
from storage.memory.memory import Memory
from storage.memory.reads import MemoryReads
from storage.reader import Kept


class Keeping(MemoryReads):
    """Says that it keeps something."""

    kept = Kept(hits=90, misses=10, size=4_096)


async def test_hits_misses_and_bytes_of_each_technology_that_keeps_rows_near_are_counted() -> None:
    catalogue = Catalogue({"near": Keeping(Memory()), "far": MemoryReads(Memory())})
    await catalogue.refresh()
    text = Metrics(Admission()).text(defaultdict(int), catalogue.kept())
    assert [line for line in text.splitlines() if line.startswith("millrace_near_")] == [
        'millrace_near_total{technology="near",result="hit"} 90',
        'millrace_near_total{technology="near",result="miss"} 10',
        'millrace_near_bytes{technology="near"} 4096',
    ]

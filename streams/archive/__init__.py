"""Events kept for good, as Delta Lake tables that any tool reads. Needs the extra `archive`.

Start reading at `table.py` (how rows and positions are one commit), then `archiver.py` (who writes), and
`scan.py` and `archived_log.py` (who reads).
"""

from streams.archive.archived_log import Archived, ArchivedLog
from streams.archive.archiver import Archiver
from streams.archive.days import newest_complete_day
from streams.archive.pseudonyms import Pseudonyms
from streams.archive.scan import scan
from streams.archive.shelf import Shelf
from streams.archive.snapshots import Snapshot, Snapshots
from streams.archive.table import ArchiveTable
from streams.archive.upkeep import Upkeep

__all__ = [
    "ArchiveTable",
    "Archived",
    "ArchivedLog",
    "Archiver",
    "Pseudonyms",
    "Shelf",
    "Snapshot",
    "Snapshots",
    "Upkeep",
    "newest_complete_day",
    "scan",
]

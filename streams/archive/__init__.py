"""Events kept for good, as Delta Lake tables that any tool reads. Needs the extra `archive`.

Start reading at `table.py` (how rows and positions are one commit), then `archiver.py` and `scan.py`.
"""

from streams.archive.archiver import Archiver
from streams.archive.days import newest_complete_day
from streams.archive.scan import scan
from streams.archive.table import ArchiveTable, Shelf
from streams.archive.upkeep import Upkeep

__all__ = ["ArchiveTable", "Archiver", "Shelf", "Upkeep", "newest_complete_day", "scan"]

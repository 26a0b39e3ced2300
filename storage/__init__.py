"""Model storage: technology x format x name, written under a fence and read by the models service.

May import `schemas`. Each technology has a folder, which alone imports its driver and knows no other technology;
`formats/` are written once over them. Start reading at `technology.py` (the two sides of a technology), then
`formats/format.py` (what learners declare), `session.py` (what a fold collects), `reader.py` and `catalogue.py` (how
the service finds and reads it). `memory/` is the whole protocol without a server.
"""

from typing import TYPE_CHECKING, Any

from storage.address import Address
from storage.alias import Alias
from storage.catalogue import Catalogue
from storage.descriptor import Descriptor
from storage.errors import (
    DriverMissing,
    Fenced,
    FileRefused,
    FormatRefused,
    Gap,
    OptionRefused,
    PutRefused,
    StorageConflict,
    StorageError,
    StorageMissing,
    StorageUnavailable,
    SuspectGeneration,
    UnknownOutcome,
    WriteRefused,
)
from storage.formats.counters import Counters
from storage.formats.counters_reader import CountersReader
from storage.formats.documents import Documents
from storage.formats.documents_reader import DocumentsReader
from storage.formats.format import Format
from storage.formats.frames import to_frame
from storage.formats.parameters import Parameters
from storage.formats.parameters_reader import ParametersReader
from storage.formats.ranking import Ranking
from storage.formats.ranking_reader import RankingReader
from storage.formats.records import Records
from storage.formats.records_reader import RecordsReader
from storage.formats.row_items import items_of
from storage.formats.sessions import Sessions, SessionWindow, SessionWindows
from storage.formats.vectors import Vectors
from storage.formats.vectors_reader import VectorsReader
from storage.formats.window import Hopping, Tumbling, Window
from storage.memory.memory import Memory
from storage.memory.reads import MemoryReads
from storage.opening import Opening
from storage.reader import Reader
from storage.section import Health
from storage.session import Session
from storage.technology import Newest, Reads, Technology
from storage.unit import Claim, Outcome, UnitId, UnitState
from storage.writes import Writes

if TYPE_CHECKING:
    from storage.redis.reads import RedisReads
    from storage.redis.redis import Redis

__all__ = [
    "Address",
    "Alias",
    "Catalogue",
    "Claim",
    "Counters",
    "CountersReader",
    "Descriptor",
    "Documents",
    "DocumentsReader",
    "DriverMissing",
    "Fenced",
    "FileRefused",
    "Format",
    "FormatRefused",
    "Gap",
    "Health",
    "Hopping",
    "Memory",
    "MemoryReads",
    "Newest",
    "Opening",
    "OptionRefused",
    "Outcome",
    "Parameters",
    "ParametersReader",
    "PutRefused",
    "Ranking",
    "RankingReader",
    "Reader",
    "Reads",
    "Records",
    "RecordsReader",
    "Redis",
    "RedisReads",
    "Session",
    "SessionWindow",
    "SessionWindows",
    "Sessions",
    "StorageConflict",
    "StorageError",
    "StorageMissing",
    "StorageUnavailable",
    "SuspectGeneration",
    "Technology",
    "Tumbling",
    "UnitId",
    "UnitState",
    "UnknownOutcome",
    "Vectors",
    "VectorsReader",
    "Window",
    "WriteRefused",
    "Writes",
    "items_of",
    "to_frame",
]

_DRIVERS = {"Redis": ("storage.redis.redis", "redis"), "RedisReads": ("storage.redis.reads", "redis")}
"""Name -> its module, and the extra that brings the driver."""


def __getattr__(name: str) -> Any:
    """A technology is imported when it is asked for: without its driver the others can be used."""
    if name not in _DRIVERS:
        raise AttributeError(f"storage has no name {name!r}")
    from importlib import import_module

    module, extra = _DRIVERS[name]
    try:
        found = getattr(import_module(module), name)
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] in ("storage", "schemas"):
            raise
        raise ImportError(f"{name} needs the package {error.name!r}: install millrace[{extra}].") from error
    globals()[name] = found
    return found

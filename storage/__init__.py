"""Model storage: technology x format x name, written under a fence and read by the models service.

May import `schemas`; only the files of one technology import its driver. Start reading at `technology.py` (the two
sides of a technology), then `format.py` (what learners declare), `session.py` (what a fold collects), `reader.py` and
`catalogue.py` (how the service finds and reads it). `memory.py` is the whole protocol without a server.
"""

from typing import TYPE_CHECKING, Any

from storage.address import Address
from storage.alias import Alias
from storage.catalogue import Catalogue
from storage.counters import Counters
from storage.counters_reader import CountersReader
from storage.descriptor import Descriptor
from storage.errors import (
    DriverMissing,
    Fenced,
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
from storage.format import Format
from storage.frames import to_frame
from storage.memory import Memory
from storage.memory_reads import MemoryReads
from storage.opening import Opening
from storage.parameters import Parameters
from storage.parameters_reader import ParametersReader
from storage.ranking import Ranking
from storage.ranking_reader import RankingReader
from storage.reader import Reader
from storage.records import Records
from storage.records_reader import RecordsReader
from storage.row_items import items_of
from storage.section import Health
from storage.session import Session
from storage.technology import Newest, Reads, Technology
from storage.unit import Claim, Outcome, UnitId, UnitState
from storage.vectors import Vectors
from storage.vectors_reader import VectorsReader
from storage.writes import Writes

if TYPE_CHECKING:
    from storage.redis import Redis
    from storage.redis_reads import RedisReads

__all__ = [
    "Address",
    "Alias",
    "Catalogue",
    "Claim",
    "Counters",
    "CountersReader",
    "Descriptor",
    "DriverMissing",
    "Fenced",
    "Format",
    "FormatRefused",
    "Gap",
    "Health",
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
    "StorageConflict",
    "StorageError",
    "StorageMissing",
    "StorageUnavailable",
    "SuspectGeneration",
    "Technology",
    "UnitId",
    "UnitState",
    "UnknownOutcome",
    "Vectors",
    "VectorsReader",
    "WriteRefused",
    "Writes",
    "items_of",
    "to_frame",
]

_DRIVERS = {"Redis": ("storage.redis", "redis"), "RedisReads": ("storage.redis_reads", "redis")}
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

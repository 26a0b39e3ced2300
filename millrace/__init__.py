"""The front door: the public names (`import millrace as mr`), settings, the command line, the local stack.

It may import every room and wires them; no logic of the five layers lives here. Start reading at `product.py` (what a
team brings), then `worker.py` and `service.py` (how the parts are put together), then `commands/`.

The names are imported when first used, so that `millrace --help` does not wait for Kafka's and polars' libraries.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from learners import BadLimit, EventLearner, FrameLearner, Goal, Late, Learner, emit, stream
    from millrace.faust import faust_app
    from millrace.joining import as_of
    from millrace.producer import Producer
    from millrace.scanning import scan
    from millrace.settings import Settings
    from schemas import Event, EventType, Record, load
    from schemas.errors import MillraceError
    from serving import Answer, Client, EndpointType, Experiment, Golden
    from storage import (
        Counters,
        CountersReader,
        Documents,
        DocumentsReader,
        Hopping,
        Parameters,
        ParametersReader,
        Ranking,
        RankingReader,
        Records,
        RecordsReader,
        Sessions,
        SessionWindow,
        SessionWindows,
        Tumbling,
        Vectors,
        VectorsReader,
        Window,
    )
    from streams import Batch

_HOME = {
    "schemas": ("Event", "EventType", "Record", "load", "MillraceError"),
    "streams": ("Batch",),
    "storage": (
        "Counters",
        "CountersReader",
        "Documents",
        "DocumentsReader",
        "Hopping",
        "Parameters",
        "ParametersReader",
        "Ranking",
        "RankingReader",
        "Records",
        "RecordsReader",
        "SessionWindow",
        "SessionWindows",
        "Sessions",
        "Tumbling",
        "Vectors",
        "VectorsReader",
        "Window",
    ),
    "learners": ("BadLimit", "EventLearner", "FrameLearner", "Goal", "Late", "Learner", "emit", "stream"),
    "serving": ("Answer", "Client", "EndpointType", "Experiment", "Golden"),
    "millrace.faust": ("faust_app",),
    "millrace.joining": ("as_of",),
    "millrace.producer": ("Producer",),
    "millrace.scanning": ("scan",),
    "millrace.settings": ("Settings",),
}

__all__ = [
    "Answer",
    "BadLimit",
    "Batch",
    "Client",
    "Counters",
    "CountersReader",
    "Documents",
    "DocumentsReader",
    "EndpointType",
    "Event",
    "EventLearner",
    "EventType",
    "Experiment",
    "FrameLearner",
    "Goal",
    "Golden",
    "Hopping",
    "Late",
    "Learner",
    "MillraceError",
    "Parameters",
    "ParametersReader",
    "Producer",
    "Ranking",
    "RankingReader",
    "Record",
    "Records",
    "RecordsReader",
    "SessionWindow",
    "SessionWindows",
    "Sessions",
    "Settings",
    "Tumbling",
    "Vectors",
    "VectorsReader",
    "Window",
    "as_of",
    "emit",
    "faust_app",
    "load",
    "scan",
    "stream",
]


def __getattr__(name: str) -> Any:
    for home, names in _HOME.items():
        if name in names:
            value = getattr(import_module(home), name)
            globals()[name] = value
            return value
    raise AttributeError(f"millrace has no name {name!r}; the public names are in millrace.__all__")


def __dir__() -> list[str]:
    return __all__

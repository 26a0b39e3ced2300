"""The models service: endpoint types, the code that implements them, experiments, and their HTTP surface.

It may import `storage` and `schemas`, and nothing of Kafka or the stores' drivers: what it needs of them it is given.
Start reading at `endpoint_type.py` (what a user declares), then `answering.py` (the way of a request), `endpoints.py`
(what is loaded, and how it is swapped) and `service.py` (all parts together). Each folder says in its `__init__.py`
where to start.

`Service` needs the extra `millrace[service]`; it and `Client` are imported when first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from serving.answer import Answer
from serving.assignment import assign
from serving.checking import run_golden
from serving.endpoint_type import EndpointType
from serving.errors import (
    AnswerMalformed,
    AnswerRefused,
    EndpointRefused,
    ExperimentRefused,
    ServiceUnreachable,
    ServingError,
)
from serving.experiment import Experiment
from serving.features import log_features
from serving.golden import Golden
from serving.implementation import Implementation

if TYPE_CHECKING:
    from serving.client import Client
    from serving.event_lines import WrongLine
    from serving.hot_loader import HotLoader
    from serving.service import Service
    from serving.spool import Spool
    from serving.surroundings import Events, Shared, Watched

_LAZY = {
    "serving.client": ("Client",),
    "serving.hot_loader": ("HotLoader",),
    "serving.event_lines": ("WrongLine",),
    "serving.service": ("Service",),
    "serving.spool": ("Spool",),
    "serving.surroundings": ("Events", "Shared", "Watched"),
}

__all__ = [
    "Answer",
    "AnswerMalformed",
    "AnswerRefused",
    "Client",
    "EndpointRefused",
    "EndpointType",
    "Events",
    "Experiment",
    "ExperimentRefused",
    "Golden",
    "HotLoader",
    "Implementation",
    "Service",
    "ServiceUnreachable",
    "ServingError",
    "Shared",
    "Spool",
    "Watched",
    "WrongLine",
    "assign",
    "log_features",
    "run_golden",
]


def __getattr__(name: str) -> Any:
    for home, names in _LAZY.items():
        if name in names:
            try:
                value = getattr(import_module(home), name)
            except ModuleNotFoundError as error:
                if error.name is None or error.name.partition(".")[0] in ("serving", "storage", "schemas"):
                    raise
                raise ServingError(f"{name} needs {error.name}; install the extra: millrace[service].") from error
            globals()[name] = value
            return value
    raise AttributeError(f"serving has no name {name!r}; the public names are in serving.__all__")

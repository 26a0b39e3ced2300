"""What the Storages and Endpoints pages show: a list, and the row that was chosen from it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from serving.console.notes import refused
from serving.measurements import Measurements


def storages(measurements: Measurements, query: Mapping[str, str]) -> dict[str, Any]:
    """Values for storages.html. `storage` in the query is the title of the one to show; without it the first."""
    flow = measurements.flow()
    if flow is None:
        return {"flow": None}
    found = sorted(flow.storages, key=lambda item: (item.descriptor.topic, item.descriptor.name))
    every = found + list(flow.superseded)
    chosen = next((item for item in every if item.title == query.get("storage")), found[0] if found else None)
    versions = []
    if chosen:
        name = (chosen.descriptor.technology, chosen.descriptor.format, chosen.descriptor.name)
        versions = [item for item in every if _name(item) == name]
    return {"flow": flow, "storages": found, "chosen": chosen, "versions": versions, "status": ""}


def endpoints(measurements: Measurements, query: Mapping[str, str]) -> dict[str, Any]:
    """Values for endpoints.html. `endpoint` in the query names the one to show; without it the first."""
    flow = measurements.flow()
    if flow is None:
        return {"flow": None}
    chosen = next((item for item in flow.endpoints if item.name == query.get("endpoint")), None)
    chosen = chosen or (flow.endpoints[0] if flow.endpoints else None)
    note = refused([chosen] if chosen else [])
    return {
        "flow": flow,
        "endpoints": flow.endpoints,
        "chosen": chosen,
        "note": note,
        "status": note.status if note else "",
    }


def _name(storage: Any) -> tuple[str, str, str]:
    descriptor = storage.descriptor
    return descriptor.technology, descriptor.format, descriptor.name

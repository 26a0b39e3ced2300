"""What the Endpoints page shows: a list, and the row that was chosen from it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from serving.console.notes import refused
from serving.measurements import Measurements


def context(measurements: Measurements, query: Mapping[str, str]) -> dict[str, Any]:
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

"""Storages as JSON documents: what they say of themselves, and what is measured of them. No I/O."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from serving.measurements import Flow, StorageFigures
from storage import Catalogue, Descriptor
from storage.clock import moment

Figures = Mapping[str, StorageFigures]
"""What is measured of each version, by title."""


def figures_of(flow: Flow | None) -> Figures:
    """By title; nothing before the first sample."""
    return {} if flow is None else {item.title: item for item in (*flow.storages, *flow.superseded)}


def listed(catalogue: Catalogue, figures: Figures) -> list[dict[str, Any]]:
    """`GET /storages`: every version; null where something is not known."""
    return [_version(catalogue, item, figures) for item in catalogue.storages()]


def document(catalogue: Catalogue, item: Descriptor, figures: Figures) -> dict[str, Any]:
    """`GET /storages/...`: one version, with all versions of its name and the positions of its units."""
    every = [one for one in catalogue.storages() if (one.technology, one.place) == (item.technology, item.place)]
    return {
        **_version(catalogue, item, figures),
        "schema": item.schema,
        "generation": item.generation,
        "versions": [_version(catalogue, one, figures) for one in every],
        "positions": [
            {
                "topic": state.unit.topic,
                "partition": state.unit.partition,
                "position": state.next,
                "epoch": state.epoch,
                "committed": moment(state.committed_ms),
                "events_up_to": moment(state.watermark_ms),
            }
            for state in catalogue.states().get(item.title, [])
        ],
    }


def _version(catalogue: Catalogue, item: Descriptor, figures: Figures) -> dict[str, Any]:
    alias, found = catalogue.alias(item), figures.get(item.title)
    amount = found.amount if found else None
    health = catalogue.health()[item.technology]
    return {
        "storage": item.title,
        "technology": item.technology,
        "format": item.format,
        "name": item.name,
        "version": item.version,
        "state": item.state,
        "read": alias is not None and alias.version == item.version,
        "writer": item.writer or None,
        "topic": item.topic or None,
        "made_by": item.made_by or None,
        "created": item.created,
        "options": dict(item.options),
        "behind_seconds": found.behind.seconds if found and found.behind else None,
        "rows": amount.rows if amount else None,
        "bytes": amount.bytes if amount else None,
        "counted": moment(round(amount.at * 1000)) if amount else None,
        "readers": {name: list(readers) for name, readers in found.readings.items()} if found else {},
        "away": health.error,
        "alias": None if alias is None else asdict(alias),
    }

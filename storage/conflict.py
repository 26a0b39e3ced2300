"""Whether two declarations of one version can both be right, in words."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from storage.descriptor import Descriptor
from storage.errors import StorageConflict


def conflict(existing: Descriptor, wanted: Descriptor) -> StorageConflict | None:
    """The error that says how a storage differs from what somebody declares now; None if both mean the same rows."""
    if existing.fingerprint == wanted.fingerprint and existing.writer == wanted.writer:
        return None
    there, here = _meaning(existing), _meaning(wanted)
    differing = [name for name in {**there, **here} if there.get(name) != here.get(name)]
    differences = "; ".join(f"{name} is {_text(there, name)} there and {_text(here, name)} here" for name in differing)
    return StorageConflict(
        f"{existing.title} exists already: {differences}. Give what you declare another version or name."
    )


def _meaning(descriptor: Descriptor) -> Mapping[str, Any]:
    """What must be equal, by its name for people. JSON makes equal what is kept equally, tuples and lists."""
    options = {f"option {name}": value for name, value in descriptor.options.items()}
    meaning = {
        "its writer": descriptor.writer,
        "its topic": descriptor.topic,
        **options,
        "its schema": descriptor.schema,
    }
    return {name: json.loads(json.dumps(value, default=dict)) for name, value in meaning.items()}


def _text(meaning: Mapping[str, Any], name: str) -> str:
    return json.dumps(meaning[name], sort_keys=True) if name in meaning else "missing"

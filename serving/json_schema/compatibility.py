"""Whether a changed endpoint type still serves the callers of the one before, and what breaks for them.

A caller sends what it always sent and reads what it always read. So every request of before must be a request of now,
and no field of it may go unread; every answer of now must be an answer of before, with more fields at most.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from serving.json_schema.values import Misfit, Why, misfits
from serving.json_schema.words import Schema

WHOLE = "the body"


@dataclass(frozen=True, slots=True)
class Contract:
    """What callers know of an endpoint type: title, unit, and the schemas of its bodies, each with its `$defs`."""

    title: str
    unit: str
    request: Schema
    response: Schema


def breaks(before: Contract, now: Contract) -> list[str]:
    """What fails for callers of before, one clause each, with the field's name; empty if nothing does."""
    found = [*_request(misfits(before.request, now.request)), *_answer(misfits(now.response, before.response))]
    if before.unit != now.unit:
        found.append(f"its unit was `{before.unit}` and is `{now.unit}` now, so that experiments draw all units anew")
    return list(dict.fromkeys(found))


def _request(found: list[Misfit]) -> Iterator[str]:
    for misfit in found:
        field = f"`{misfit.place or WHOLE}` of the request"
        match misfit.why:
            case Why.ABSENT | Why.OPTIONAL:
                yield f"{field} must be given now"
            case Why.IGNORED:
                yield f"{field} is not read any more"
            case Why.REFUSED:
                yield f"{field} is refused now"
            case Why.OTHER:
                yield f"{field} took {misfit.first} and takes {misfit.second} now"


def _answer(found: list[Misfit]) -> Iterator[str]:
    for misfit in found:
        field = f"`{misfit.place or WHOLE}` of the answer"
        match misfit.why:
            case Why.ABSENT:
                yield f"{field} is gone"
            case Why.OPTIONAL:
                yield f"{field} may be left out now"
            case Why.REFUSED:
                yield f"{field} is new, and callers refuse fields that they do not know"
            case Why.OTHER:
                yield f"{field} was {misfit.second} and may be {misfit.first} now"
            case Why.IGNORED:
                pass  # a field more: callers pass over it

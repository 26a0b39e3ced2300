"""How often a user has played something."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

import msgspec

import millrace as mr


class Ask(msgspec.Struct, frozen=True):
    """Asks for one user."""

    user: str


class Plays(msgspec.Struct, frozen=True):
    """The answer."""

    count: int


plays = mr.EndpointType("plays", Ask, Plays, unit="user", deadline=timedelta(seconds=10), default=Plays(0))


@plays.implementation
async def counted(request: Ask, counts: Annotated[mr.CountersReader, "plays_of_user"]) -> Plays:
    """One row."""
    return Plays((await counts.get(request.user)).get("count", 0))

"""What happens in this product: viewers rate films, and films are added to the catalogue."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import millrace as mr

LIKED = 4
"""A rating of so many stars or more says that the viewer likes the film."""


class Rating(mr.Event, topic="ratings", key="user"):
    """A viewer gave a film 1 to 5 stars; a click on the demo's page is a rating of 5.

    `decision` names the answer that showed the film, if one did: a liked film is then that answer's reward.
    """

    user: Annotated[str, mr.personal]
    item: str
    stars: int
    at: datetime
    decision: str | None = None


class Film(mr.Event, topic="items", key="item"):
    """A film of the catalogue; a later event about the same item replaces it."""

    item: str
    title: str
    year: int | None
    genres: list[str]

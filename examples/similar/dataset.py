"""Made-up likes: each user likes books of one of four shelves, and now and then one of another."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from random import Random

from .events import Like

USERS, SHELVES, BOOKS, LIKES = 200, 4, 10, 12


def shelf_of(item: str) -> str:
    """The shelf that a book stands on: "s2" of "s2-b7"."""
    return item.partition("-")[0]


def events() -> Iterator[Like]:
    """The likes in order of time; the last is now."""
    random, now = Random(7), datetime.now(UTC).replace(microsecond=0)
    for number in range(USERS * LIKES):
        user = number % USERS
        shelf = user % SHELVES if random.random() < 0.9 else random.randrange(SHELVES)
        at = now - timedelta(seconds=USERS * LIKES - number)
        yield Like(f"u{user}", f"s{shelf}-b{random.randrange(BOOKS)}", at)

"""Made-up clicks; some come exactly half an hour after the one before, which begins no session yet."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from random import Random

from .events import Click

CLICKS, USERS = 3_000, 40


def events() -> Iterator[Click]:
    """The clicks in order of time; the last is now."""
    random, at, found = Random(7), dict.fromkeys(range(USERS), timedelta()), []
    for _ in range(CLICKS):
        user = random.randrange(USERS)
        at[user] += timedelta(minutes=random.choice([1, 5, 30, 31, 90]))
        found.append((at[user], user, random.randrange(20)))
    begin = datetime.now(UTC).replace(microsecond=0) - max(at.values())
    for after, user, page in sorted(found):
        yield Click(f"u{user}", f"page{page}", begin + after)

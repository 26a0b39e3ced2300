"""What happened before the shop had recommendations: made-up visits of the last two days, the same in every run.

A visitor opens three or four items of one kind, so that there is something that goes together.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from random import Random

import millrace as mr

from .events import Click
from .live.items import ITEMS

VISITS = 200


def events() -> Iterator[mr.Event]:
    """The clicks of these visits in time order; the last is now."""
    random = Random(7)
    kinds = sorted({item.kind for item in ITEMS.values()})
    began, gap = datetime.now(UTC) - timedelta(days=2), timedelta(days=2) / VISITS
    for number in range(VISITS):
        kind = random.choice(kinds)
        shelf = [item.id for item in ITEMS.values() if item.kind == kind]
        for minute, item in enumerate(random.sample(shelf, random.choice((3, 4)))):
            yield Click(f"earlier-{number}", item, began + number * gap + timedelta(minutes=minute))

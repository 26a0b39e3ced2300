"""What happens in the shop: a strip is seen, an item is opened, an item is bought."""

from __future__ import annotations

from datetime import datetime

import millrace as mr


class Exposure(mr.Event, topic="shop_exposures", key="visitor"):
    """A visitor has seen a strip of recommended items; `decision` names the answer that filled it, if one did."""

    visitor: str
    items: list[str]
    at: datetime
    decision: str | None = None


class Click(mr.Event, topic="shop_clicks", key="visitor"):
    """A visitor opened an item's page, from a strip where `decision` says so."""

    visitor: str
    item: str
    at: datetime
    decision: str | None = None


class Purchase(mr.Event, topic="shop_purchases", key="visitor"):
    """A visitor bought an item; the reward of the strip through which they came to it."""

    visitor: str
    item: str
    cents: int
    at: datetime
    decision: str | None = None

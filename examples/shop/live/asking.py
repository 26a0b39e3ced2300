"""What the shop asks of the models service and tells it: declared here once more, as its own code needs it."""

from __future__ import annotations

from datetime import datetime, timedelta

import millrace_client as mr
import msgspec

from .items import BESTSELLERS


class Exposure(mr.Event, topic="shop_exposures", key="visitor"):
    """A visitor has seen a strip."""

    visitor: str
    items: list[str]
    at: datetime
    decision: str | None = None


class Click(mr.Event, topic="shop_clicks", key="visitor"):
    """A visitor opened an item."""

    visitor: str
    item: str
    at: datetime
    decision: str | None = None


class Recommend(msgspec.Struct):
    """Asks for items for a visitor, on the page of an item or on the first page."""

    visitor: str
    item: str | None = None


class Recommendations(msgspec.Struct):
    """Ids of items, best first."""

    items: list[str]


recommend = mr.EndpointType(
    "shop_recommend",
    Recommend,
    Recommendations,
    deadline=timedelta(milliseconds=500),
    default=Recommendations(BESTSELLERS),
)

"""The event that the models service writes for every change that it is asked for."""

from __future__ import annotations

from datetime import datetime

from schemas.event import Event


class Audit(Event, topic="audit", key="target"):
    """Somebody changed something, or was not let.

    Attributes:
        at: when.
        who: name of the key; "loopback" where no key is asked for.
        key: the key's id; None where no key is asked for.
        action: an HTTP method, or what a form of the console does.
        target: the address, and what a form names.
        outcome: done, refused (status 4xx) or failed (5xx).
        status: of the HTTP answer.
    """

    at: datetime
    who: str
    key: str | None
    action: str
    target: str
    outcome: str
    status: int

"""The event that the models service writes for every answer it gives."""

from __future__ import annotations

from datetime import datetime

from schemas.event import Event


class Decision(Event, topic="decisions", key="unit"):
    """One answer given.

    Attributes:
        id: the answer's decision id, also in the header `millrace-decision`.
        endpoint: the endpoint type's name.
        implementation, hash: who answered, and the content hash of its code.
        experiment, variant: None outside an experiment.
        unit: whom the answer is for; the same unit always gets the same variant.
        propensity: probability that this variant was chosen; 1 outside an experiment.
        request, answer: JSON.
        as_of: oldest event time behind the answer; None where it is not known.
        latency_ms: from the request's arrival to the answer.
        at: when.
    """

    id: str
    endpoint: str
    implementation: str
    hash: str
    experiment: str | None
    variant: str | None
    unit: str
    propensity: float
    request: str
    answer: str
    as_of: datetime | None
    latency_ms: float
    at: datetime

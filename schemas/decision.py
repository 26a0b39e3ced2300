"""The event that the models service writes for every answer it gives."""

from __future__ import annotations

from datetime import datetime

from schemas.event import Event


class Decision(Event, topic="decisions", key="unit"):
    """One answer given; or one that a shadow would have given, see `shadow_of`.

    Attributes:
        id: the answer's decision id, also in the header `millrace-decision`.
        endpoint: the endpoint type's name; from its second version on with the version, `recommend@2`.
        implementation, hash: who answered, and the content hash of its code.
        experiment, variant: None outside an experiment.
        unit: whom the answer is for; the same unit always gets the same variant.
        propensity: probability that this variant was chosen; 1 outside an experiment.
        request, answer: JSON.
        as_of: oldest event time behind the answer; None where it is not known.
        latency_ms: from the request's arrival to the answer.
        at: when.
        failed, reason: where the type's fallback or default answered, the implementation that should have and why it
            did not, such as `deadline-passed`; None else.
        shadow_of: the decision whose request was copied, where a shadow answered and nobody got the answer; None for an
            answer that was given.
        features: what the implementation says it has used (`mr.log_features`), a JSON object; None where it says
            nothing, or this decision is not among those of which it is logged.
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
    failed: str | None = None
    reason: str | None = None
    shadow_of: str | None = None
    features: str | None = None

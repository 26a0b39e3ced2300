"""An answer as a live service holds it, and what a client has to know of an endpoint type to ask it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Generic, Protocol, TypeVar

Request = TypeVar("Request")
Response = TypeVar("Response")

LOCAL = "local"
"""Named as implementation and as fallback where the caller's own default stands in for an answer."""


class Asked(Protocol[Request, Response]):
    """An endpoint type as its callers know it. `EndpointType` is one, the service's and the small wheel's.

    Attributes:
        request, response: classes whose JSON is asked and answered.
        version: of the contract; each has an address of its own.
        deadline: of the service's answer; None = as the service says.
        default: what stands in for an answer while the service is away; None = nothing does.
    """

    request: type[Request]
    response: type[Response]

    @property
    def name(self) -> str: ...
    @property
    def version(self) -> int: ...
    @property
    def deadline(self) -> timedelta | None: ...
    @property
    def default(self) -> Response | None: ...


@dataclass(frozen=True)
class Answer(Generic[Response]):
    """An answer and where it comes from.

    Attributes:
        decision: its id; an event that carries it can be its reward. None for a local default, which nobody decided.
        implementation: name and content hash of the code that answered.
        variant: of the experiment that runs; None outside one.
        as_of: oldest event time behind it; None where that is not known.
        fallback: what answered in the implementation's place, if something did; "local" = the caller's own default.
        reason: why it is the local default; None where it is not.
    """

    value: Response
    decision: str | None
    implementation: str
    variant: str | None = None
    as_of: datetime | None = None
    fallback: str | None = None
    reason: str | None = None

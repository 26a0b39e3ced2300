"""An endpoint type as its callers declare it: what is asked, what is answered, and for how long that may take."""

from __future__ import annotations

from datetime import timedelta
from typing import Generic, TypeVar

Request = TypeVar("Request")
Response = TypeVar("Response")


class EndpointType(Generic[Request, Response]):
    """`recommend = mr.EndpointType("recommend", Recommend, Recommendations)`: the service's declaration, without code.

    Args:
        name: of the endpoint type in the service.
        request, response: msgspec structs, dataclasses or pydantic models, with the fields that this caller uses.
        version: of the endpoint type, whose contracts live side by side.
        deadline: of the service's answer; left out, the one that the service says.
        default: stands in for an answer while the service is away; left out, nothing does.
    """

    def __init__(
        self,
        name: str,
        request: type[Request],
        response: type[Response],
        *,
        version: int = 1,
        deadline: timedelta | None = None,
        default: Response | None = None,
    ) -> None:
        self.name, self.version, self.request, self.response = name, version, request, response
        self.deadline, self.default = deadline, default

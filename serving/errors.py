"""What can go wrong in this room.

    MillraceError                   (schemas.errors: the root of every room's errors)
    └── ServingError
        ├── EndpointRefused         an endpoint type or an implementation is declared wrongly; its file is not taken
        ├── ExperimentRefused       an experiment is declared wrongly, or names what is not loaded
        ├── Problem                 (problem.py) why a request is not answered, as the client is told
        ├── AnswerRefused           in a live service: the models service refused; carries its problem
        └── ServiceUnreachable      in a live service: the models service did not answer

What a storage raises while an implementation reads it is in `storage.errors`; what a client sees of it, in `answering`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from schemas.errors import MillraceError


class ServingError(MillraceError):
    """Root of this room's errors."""


class EndpointRefused(ServingError):
    """A declaration that cannot be served as it stands; the message says what to change."""


class ExperimentRefused(ServingError, ValueError):
    """An experiment that cannot run as it is declared; the message says what to change."""


class AnswerRefused(ServingError):
    """The models service refused a request.

    Attributes:
        status: the HTTP status.
        problem: its problem document (RFC 9457); empty if it sent none.
    """

    def __init__(self, status: int, problem: Mapping[str, Any]) -> None:
        self.status, self.problem = status, problem
        super().__init__(f"{status} {problem.get('title', 'refused')}: {problem.get('detail', 'no reason given')}")


class ServiceUnreachable(ServingError):
    """The models service did not answer; whether it got the request is not known."""

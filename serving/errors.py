"""What can go wrong in this room.

    MillraceError                   (schemas.errors: the root of every room's errors)
    └── ServingError
        ├── EndpointRefused         an endpoint type or an implementation is declared wrongly; its file is not taken
        ├── ExperimentRefused       an experiment is declared wrongly, or names what is not loaded
        │   ├── ExperimentConflict  it is in a state that does not allow what is asked, or its name is in use
        │   └── ExperimentUnknown   nothing has this name
        ├── ExperimentsUnavailable  experiments cannot be changed now, or it is not known whether they were
        ├── SnapshotRefused         a replica's copy of the experiments on disk cannot be used
        ├── KeyRefused              a key of the service cannot be made as it is asked for
        ├── KeysBroken              the file of keys cannot be used; the last good keys stay, and no service starts
        ├── InsecureService         the service would listen where strangers reach it, and ask nobody for a key
        ├── Problem                 (problem.py) why a request is not answered, as the client is told
        ├── AnswerRefused           in a live service: the models service refused; carries its problem
        ├── AnswerMalformed         in a live service: what was answered is not of the type that was asked for
        └── ServiceUnreachable      in a live service: the models service did not answer

What a storage raises while an implementation reads it is in `storage.errors`; what a client sees of it, in `answering`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from schemas.errors import MillraceError


class ServingError(MillraceError):
    """Root of this room's errors."""


class EndpointRefused(ServingError):
    """A declaration that cannot be served as it stands; the message says what to change."""


class ExperimentRefused(ServingError, ValueError):
    """An experiment that cannot run as it is declared; the message says what to change.

    Attributes:
        field: what of it is wrong, if it is one thing.
    """

    def __init__(self, message: str, field: str | None = None) -> None:
        super().__init__(message)
        self.field = field


class ExperimentConflict(ExperimentRefused):
    """What is asked does not fit how the experiment stands; the message says how it does."""


class ExperimentUnknown(ExperimentRefused):
    """There is no experiment of this name.

    Attributes:
        known: the names that there are.
    """

    def __init__(self, name: str, known: Sequence[str]) -> None:
        super().__init__(f"There is no experiment {name[:100]!r}; there are: {', '.join(known) or 'none'}.")
        self.known = list(known)


class ExperimentsUnavailable(ServingError):
    """What is shared cannot be changed now; the message says why, and whether it may have been."""


class SnapshotRefused(ServingError):
    """A file that is no snapshot as this release reads it; the message says why."""


class KeyRefused(ServingError):
    """A key that cannot be made, or is not there; the message says why and what can."""


class KeysBroken(ServingError):
    """The file of keys cannot be read, written or trusted; the message says what to do."""


class InsecureService(ServingError):
    """Strangers could change everything through this service; the message says how to guard it."""


class AnswerRefused(ServingError):
    """The models service refused a request.

    Attributes:
        status: the HTTP status.
        problem: its problem document (RFC 9457); empty if it sent none.
    """

    def __init__(self, status: int, problem: Mapping[str, Any]) -> None:
        self.status, self.problem = status, problem
        super().__init__(f"{status} {problem.get('title', 'refused')}: {problem.get('detail', 'no reason given')}")


class AnswerMalformed(ServingError):
    """What was answered is not of the endpoint type's response; the message says where they differ."""


class ServiceUnreachable(ServingError):
    """The models service did not answer; whether it got the request is not known."""

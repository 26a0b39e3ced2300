"""Why a request is not answered, as the client is told: a problem document (RFC 9457)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

import msgspec

from serving.errors import ServingError

Send = Callable[[dict[str, Any]], Awaitable[None]]

TITLES = {
    400: "The request is malformed",
    403: "This may not be asked from there",
    404: "There is no such thing",
    405: "The method does not fit",
    409: "It conflicts with what is there",
    413: "The body is too large",
    422: "What is asked for cannot be",
    500: "The implementation failed",
    503: "Not available now",
    504: "The deadline has passed",
}
RETRY = {503: b"1"}
"""Seconds after which to try again, for those statuses that pass by themselves."""


class Problem(ServingError):
    """A request that is refused. `detail` is for the client: nothing internal stands in it.

    Args:
        status: the HTTP status.
        kind: which problem it is, for programs: the last part of the document's `type`.
        more: further members of the document, such as the field that was wrong.
    """

    def __init__(self, status: int, kind: str, detail: str, **more: Any) -> None:
        super().__init__(detail)
        self.status, self.kind, self.detail, self.more = status, kind, detail, more

    @property
    def document(self) -> Mapping[str, Any]:
        """The problem document's members."""
        return {
            "type": f"urn:millrace:problem:{self.kind}",
            "title": TITLES.get(self.status, "The request is refused"),
            "status": self.status,
            "detail": self.detail,
            **self.more,
        }

    async def send(self, send: Send, headers: Sequence[tuple[bytes, bytes]] = ()) -> None:
        """Answer with the document."""
        body = msgspec.json.encode(self.document)
        own = [(b"content-type", b"application/problem+json"), (b"content-length", str(len(body)).encode())]
        if self.status in RETRY:
            own.append((b"retry-after", RETRY[self.status]))
        await send({"type": "http.response.start", "status": self.status, "headers": [*own, *headers]})
        await send({"type": "http.response.body", "body": body})


def unknown(what: str, name: str, known: Sequence[str]) -> Problem:
    """Nothing has this name; the document lists what there is."""
    detail = f"There is no {what} {name!r}; known: {', '.join(known) or 'none'}."
    return Problem(404, f"unknown-{what.replace(' ', '-')}", detail, known=known)

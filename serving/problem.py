"""Why a request is not answered, as the client is told: a problem document (RFC 9457)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

import msgspec

from serving.errors import ServingError
from serving.head import Reply, lines_of, pairs

Send = Callable[[dict[str, Any]], Awaitable[None]]
Headers = Sequence[tuple[bytes, bytes]]

TITLES = {
    400: "The request is malformed",
    401: "It is not known who asks",
    403: "This may not be asked so",
    404: "There is no such thing",
    405: "The method does not fit",
    409: "It conflicts with what is there",
    413: "The body is too large",
    421: "This is not the service of that name",
    422: "What is asked for cannot be",
    429: "Asked too often",
    431: "The headers are too large",
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

    Attributes:
        headers: that are sent with it beside those of every problem.
    """

    headers: Headers = ()

    def __init__(self, status: int, kind: str, detail: str, **more: Any) -> None:
        super().__init__(detail)
        self.status, self.kind, self.detail, self.more = status, kind, detail, more
        self.passes = status in RETRY

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

    def written(self) -> tuple[Headers, bytes]:
        """All headers of the answer but for its length, and its body."""
        own = [(b"content-type", b"application/problem+json")]
        if self.passes:
            own.append((b"retry-after", RETRY[self.status]))
        return [*own, *self.headers], msgspec.json.encode(self.document)

    @property
    def reply(self) -> Reply:
        """The whole answer."""
        headers, body = self.written()
        return self.status, lines_of(headers), body

    async def send(self, send: Send) -> None:
        """Answer with the document."""
        await send_reply(send, self.reply)


class Lasting(Problem):
    """One that does not pass by itself, whatever its status: somebody has to do something first."""

    def __init__(self, status: int, kind: str, detail: str, **more: Any) -> None:
        super().__init__(status, kind, detail, **more)
        self.passes = False


def unknown(what: str, name: str, known: Sequence[str]) -> Problem:
    """Nothing has this name; the document lists what there is."""
    detail = f"There is no {what} {name!r}; known: {', '.join(known) or 'none'}."
    return Problem(404, f"unknown-{what.replace(' ', '-')}", detail, known=known)


def wrong_field(field: str, detail: str) -> Problem:
    """A field of a body, or the body itself where `field` is empty, is not what its type says."""
    return Problem(400, "wrong-field", f"{field}: {detail}." if field else f"{detail}.", field=field or None)


async def send_reply(send: Send, reply: Reply) -> None:
    """Answer so."""
    status, lines, body = reply
    headers = [*pairs(lines), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})

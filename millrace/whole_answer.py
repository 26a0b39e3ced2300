"""An answer that is written in one piece, past what uvicorn does for one that comes in parts."""

from __future__ import annotations

from functools import lru_cache
from weakref import ref

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, RequestResponseCycle

_OK = STATUS_LINE[200]


class WholeAnswer:
    """One request's way to be answered at once: the system is called once, with lines that need not be looked at. What
    uvicorn does otherwise for head and body by turns is most of what an answer costs."""

    __slots__ = ("_cycle",)

    def __init__(self, cycle: RequestResponseCycle) -> None:
        self._cycle = ref(cycle)  # whose scope has this one: each request would be a ring, for the garbage collector

    def __call__(self, lines: bytes, body: bytes) -> bool:
        """Send an answer; False where it has begun already, or its client reads too slowly and has to be waited for."""
        cycle = self._cycle()
        if cycle is None or cycle.flow.write_paused or cycle.response_started:
            return False
        if cycle.disconnected:
            return True
        common, closes = _common(tuple(cycle.default_headers))
        cycle.keep_alive = cycle.keep_alive and not closes
        last = b"" if cycle.keep_alive or closes else b"connection: close\r\n"
        cycle.transport.write(b"%b%b%b%bcontent-length: %d\r\n\r\n%b" % (_OK, common, lines, last, len(body), body))
        cycle.response_started = cycle.response_complete = True
        cycle.message_event.set()
        if not cycle.keep_alive:
            cycle.transport.close()
        cycle.on_response()
        return True


@lru_cache(maxsize=8)
def _common(headers: tuple[tuple[bytes, bytes], ...]) -> tuple[bytes, bool]:
    """The lines that all answers have, which change once a second, and whether they say that the connection closes."""
    return b"".join([b"%b: %b\r\n" % pair for pair in headers]), (b"connection", b"close") in headers

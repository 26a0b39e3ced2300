"""Sessions of the console's readers: random cookies, known to this process alone, each for one key.

They are kept here and not in the cookie, so that logging out ends one, whoever has copied it. They end with the
process, and are not known to other replicas.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field

from serving.access.keys import digest

COOKIE = b"millrace-session"
LASTS = 12 * 3600.0
"""Seconds after which the key must be given again."""
MOST = 1_000
"""Sessions at once; one more ends the oldest."""


@dataclass(frozen=True, slots=True)
class Session:
    """Somebody who has shown a key. `token` goes into each form that they are sent, and comes back with it.

    Attributes:
        key, secret: the key's id, and the SHA-256 of the secret that was shown: the session ends when it does.
        until: when it ends by itself, in the clock's seconds.
        ended: set when it is over, so that what is streamed ends.
    """

    key: bytes
    secret: bytes
    until: float
    token: str = field(default_factory=lambda: secrets.token_urlsafe(32), repr=False)
    ended: asyncio.Event = field(default_factory=asyncio.Event, repr=False)


class Sessions:
    """All sessions of this process. `clock` gives seconds."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._open: dict[bytes, Session] = {}

    def start(self, key: bytes, secret: bytes) -> str:
        """Begin one; the cookie's value, of which only a hash is kept."""
        self._sweep()
        while len(self._open) >= MOST:
            self._end(next(iter(self._open)))
        cookie = secrets.token_urlsafe(32)
        self._open[digest(cookie.encode())] = Session(key, secret, self._clock() + LASTS)
        return cookie

    def find(self, cookie: bytes) -> Session | None:
        """The session of a cookie's value; None where there is none, or no more."""
        place = digest(cookie)
        found = self._open.get(place)
        if found is not None and found.until <= self._clock():
            self._end(place)
            return None
        return found

    def end(self, cookie: bytes) -> None:
        """Log out."""
        self._end(digest(cookie))

    def keep(self, good: Callable[[Session], bool]) -> None:
        """End those that are not good any more, as their key is not."""
        for place in [place for place, session in self._open.items() if not good(session)]:
            self._end(place)

    def _sweep(self) -> None:
        now = self._clock()
        self.keep(lambda session: session.until > now)

    def _end(self, place: bytes) -> None:
        session = self._open.pop(place, None)
        if session is not None:
            session.ended.set()


def cookie_of(header: bytes) -> bytes | None:
    """The session's cookie among those of a `Cookie` header."""
    for part in header.split(b";"):
        name, _, value = part.strip().partition(b"=")
        if name == COOKIE:
            return value
    return None

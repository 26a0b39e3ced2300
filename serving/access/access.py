"""Who asks: the keys that are good now, looked up for each request, and followed as their file changes."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from hmac import compare_digest
from math import inf

from serving.access.bucket import Bucket
from serving.access.key_file import KeyFile, Signature
from serving.access.keys import ID, Key, Scope, digest, parsed_rate
from serving.access.sessions import Session, Sessions
from serving.errors import KeysBroken

LOGGER = logging.getLogger("millrace.access")
LOOK = 0.5
"""Seconds between two looks at the file."""
AGAIN = 60.0
"""Seconds after which it is said once more that the file is broken."""
_PREFIX = b"mk_"
_START = len(_PREFIX)


@dataclass(frozen=True, slots=True, eq=False)
class Caller:
    """Whoever asks, as a key says it. `bucket` counts what it asks, where it has a rate."""

    name: str
    id: bytes
    scopes: frozenset[Scope]
    bucket: Bucket | None = None
    session: Session | None = None


CALLER = "millrace.caller"
"""Where a request's scope has its caller."""
LOOPBACK = Caller("loopback", b"", frozenset({Scope.ADMIN}))
ANYBODY = Caller("anybody", b"", frozenset({Scope.ADMIN}))
"""Whoever asks while there are no keys, from this machine or from wherever the service was told to be open to."""


@dataclass(frozen=True, slots=True)
class _Held:
    """A key, and the digests of its secrets with the times when they end."""

    caller: Caller
    secrets: tuple[tuple[bytes, float], ...]

    def until(self, given: bytes, now: float) -> float | None:
        """When the secret of this digest ends; None where it is none of the key's, or has ended."""
        for kept, until in self.secrets:
            if compare_digest(kept, given):
                return until if until > now else None
        return None


class Access:
    """The keys of a service. For one event loop.

    Without a file, or while there is none, nobody is asked for a key: `keyed` is False, and whoever asks is `anybody`.
    Once there have been keys, a file that is gone or broken opens nothing: the last good keys stay, and the log says
    so.

    Args:
        file: where the keys are.
        local: whether the service listens on this machine alone, so that while there are no keys a page of another
            site must not pass for this machine by its name.
        clock: seconds since 1970; sessions and expiry follow it.

    Raises:
        KeysBroken: the file cannot be used.
    """

    def __init__(
        self, file: KeyFile | None = None, *, local: bool = False, clock: Callable[[], float] = time.time
    ) -> None:
        self.local, self._file, self._clock = local, file, clock
        self.anybody = LOOPBACK if local else ANYBODY
        self.keyed = False
        self._seen_headers: dict[bytes, tuple[Caller, float]] = {}
        self.sessions = Sessions(clock)
        self._table: Mapping[bytes, _Held] = {}
        self._seen: Signature | None = None
        self._said = -inf
        if file is not None:
            self._seen = file.signature()
            self._take(file.read())

    def seen(self, header: bytes) -> Caller | None:
        """Whose `Authorization` header it is, where that was found out before and holds; None else."""
        found = self._seen_headers.get(header)
        return None if found is None or (found[1] is not inf and found[1] <= self._clock()) else found[0]

    def of_header(self, header: bytes) -> Caller | None:
        """Whose header it is: `Bearer` with a secret. Remembers it, if it is good, until the keys are read again."""
        secret = header[7:].strip()
        found = self._found(secret)
        if found is None:
            return None
        if header == b"Bearer " + secret:  # spelt so alone, so that nobody makes them many
            self._seen_headers[header] = found
        return found[0]

    def caller(self, secret: bytes) -> Caller | None:
        """Whose secret it is; None where it is nobody's, or no more."""
        found = self._found(secret)
        return None if found is None else found[0]

    def log_in(self, secret: bytes) -> str:
        """Begin a session with the secret of a caller; the cookie's value."""
        return self.sessions.start(secret[_START : _START + ID], digest(secret))

    def of_session(self, session: Session) -> Caller | None:
        """Whose session it is; None where its key is not good any more."""
        held = self._table.get(session.key)
        if held is None or held.until(session.secret, self._clock()) is None:
            return None
        return replace(held.caller, session=session)

    def left(self, session: Session) -> float:
        """Seconds until a session ends by itself."""
        return session.until - self._clock()

    async def follow(self) -> None:
        """Take up a changed file, for as long as the service runs."""
        while self._file is not None:
            await asyncio.sleep(LOOK)
            await self.look()

    async def look(self) -> None:
        """Read the file once more if it is another one, and end the sessions whose keys are not good any more."""
        file = self._file
        assert file is not None
        seen = await asyncio.to_thread(file.signature)
        if seen != self._seen or self._said > -inf:
            try:
                keys = await asyncio.to_thread(file.read)
                if keys is None and self.keyed:
                    raise KeysBroken(f"The file of keys {file.path} is gone. To open the service, stop and start it.")
                if seen != self._seen or self._said > -inf:
                    self._take(keys)
                self._seen, self._said = seen, -inf
            except KeysBroken as error:
                self._complain(error)
        self.sessions.keep(lambda session: self.of_session(session) is not None)

    def _found(self, secret: bytes) -> tuple[Caller, float] | None:
        """The caller, and until when the secret is good."""
        held = self._table.get(secret[_START : _START + ID])
        if held is None or not secret.startswith(_PREFIX):
            return None
        until = held.until(digest(secret), self._clock())
        return None if until is None else (held.caller, until)

    def _take(self, keys: Sequence[Key] | None) -> None:
        """Let these keys be those that are good; buckets stay as full as they are."""
        if keys is None:
            return
        again = self.keyed
        self.keyed, self._seen_headers = True, {}
        self._table = {key.id.encode(): self._held(key) for key in keys}
        if again:
            LOGGER.info("Keys were read again: %s.", ", ".join(key.name for key in keys) or "none is left")
        else:
            LOGGER.info("Keys are asked for: %s.", ", ".join(key.name for key in keys) or "there is none yet")

    def _held(self, key: Key) -> _Held:
        rate, before = key.rate and parsed_rate(key.rate), self._table.get(key.id.encode())
        bucket = before.caller.bucket if before else None
        if rate and (bucket is None or bucket.rate != rate):
            bucket = Bucket(rate, time.monotonic())
        ends = inf if key.expires is None else key.expires.timestamp()
        secrets = ((bytes.fromhex(kept.sha256), kept.until.timestamp() if kept.until else inf) for kept in key.secrets)
        caller = Caller(key.name, key.id.encode(), frozenset(key.scopes), bucket if rate else None)
        return _Held(caller, tuple((kept, min(ends, until)) for kept, until in secrets))

    def _complain(self, error: KeysBroken) -> None:
        now = time.monotonic()
        if now - self._said > AGAIN:
            self._said = now
            LOGGER.error("%s Until then the last good keys hold.", error)

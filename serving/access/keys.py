"""API keys: what one is, how it is made, and how a secret is told from a wrong one. No I/O.

A secret is `mk_<id>_<43 characters>`: 256 random bits behind the id of its key. Kept is its SHA-256 alone. A slow hash,
as for passwords, would protect secrets that can be guessed; nobody guesses 256 bits, and every request would pay.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from hashlib import sha256
from typing import Annotated

import msgspec

from serving.errors import KeyRefused

ID = 12
"""Characters of a key's id."""
MOST_KEYS = 1_000
SECRETS = 2
"""That a key has at once: while it is rotated."""
LONGEST_RATE = 1_000_000
_NAME = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"
_RATE = re.compile(r"([0-9]{1,7})/(s|m|min|h)")
_SECONDS = {"s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0}


class Scope(StrEnum):
    """What a key may be used for. `admin` includes the others."""

    ANSWER = "answer"
    EMIT = "emit"
    DEPLOY = "deploy"
    ADMIN = "admin"


class Secret(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is kept of a secret, and until when it is good; None = as long as its key is."""

    sha256: Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$")]
    until: Annotated[datetime, msgspec.Meta(tz=True)] | None = None


class Rate(msgspec.Struct, frozen=True):
    """So many requests in so many seconds; unused ones can be caught up with, up to `count`."""

    count: int
    seconds: float


class Key(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A key as the file has it. `secrets` are the newest last; `rate` as `parsed_rate` reads it."""

    id: Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{12}$")]
    name: Annotated[str, msgspec.Meta(pattern=_NAME)]
    scopes: list[Scope]
    secrets: Annotated[list[Secret], msgspec.Meta(min_length=1, max_length=SECRETS)]
    created: Annotated[datetime, msgspec.Meta(tz=True)]
    rate: str | None = None
    expires: Annotated[datetime, msgspec.Meta(tz=True)] | None = None


def minted(
    name: str,
    scopes: Sequence[Scope],
    now: datetime,
    *,
    rate: str | None = None,
    expires: timedelta | None = None,
) -> tuple[Key, str]:
    """A new key, and its secret, which nothing can tell again.

    Raises:
        KeyRefused: the name, the rate or the scopes cannot be so.
    """
    if not re.fullmatch(_NAME, name):
        raise KeyRefused(f"A key's name has letters, digits, '.', '_' and '-', at most 64; {name!r} is none.")
    if not scopes:
        raise KeyRefused(f"The key {name} may do nothing; say what for: {', '.join(Scope)}.")
    if rate is not None:
        parsed_rate(rate)
    id = secrets.token_hex(ID // 2)
    text, kept = _secret(id)
    try:
        until = None if expires is None else now + expires
    except OverflowError:
        raise KeyRefused("A key cannot last for so long; leave its end out.") from None
    return Key(id, name, sorted(set(scopes)), [kept], now, rate, until), text


def rotated(key: Key, now: datetime, overlap: timedelta) -> tuple[Key, str]:
    """The key with a new secret, which is returned beside it; the one before stays good for `overlap`, none longer."""
    text, kept = _secret(key.id)
    before = key.secrets[-1]
    ends = now + overlap if before.until is None else min(before.until, now + overlap)
    old = [Secret(before.sha256, ends)] if overlap > timedelta(0) else []
    return msgspec.structs.replace(key, secrets=[*old, kept]), text


def parsed_rate(text: str) -> Rate:
    """`500/s`, `30/min` or `1000/h`.

    Raises:
        KeyRefused: the text is none.
    """
    found = _RATE.fullmatch(text.replace(" ", ""))
    count = int(found[1]) if found else 0
    if found is None or not 1 <= count <= LONGEST_RATE:
        raise KeyRefused(f'{text!r} is no rate; write requests per second, minute or hour, such as "500/s" or "30/min"')
    return Rate(count, _SECONDS[found[2]])


def digest(secret: bytes) -> bytes:
    """What is compared, in constant time, with what is kept."""
    return sha256(secret).digest()


def _secret(id: str) -> tuple[str, Secret]:
    text = f"mk_{id}_{secrets.token_urlsafe(32)}"
    return text, Secret(digest(text.encode()).hex())

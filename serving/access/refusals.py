"""Why somebody may not, as they are told: what is missing and what to do. Nothing here says which keys there are."""

from __future__ import annotations

from math import ceil
from typing import Any

from serving.access.access import Caller
from serving.access.bucket import Bucket
from serving.access.rules import ANY, Scopes
from serving.problem import Headers, Problem

_REALM = b'Bearer realm="millrace"'


class Refusal(Problem):
    """A problem with headers of its own (RFC 6750 for keys, the draft on RateLimit headers for rates)."""

    def __init__(self, status: int, kind: str, detail: str, headers: Headers, **more: Any) -> None:
        super().__init__(status, kind, detail, **more)
        self.headers = headers


def no_key(needed: Scopes) -> Refusal:
    """Nobody is named."""
    detail = f"This needs a key {_for(needed)}: send it as the header `authorization: Bearer mk_...`."
    return Refusal(401, "no-key", detail, [(b"www-authenticate", _REALM)], scopes=_named(needed))


def unknown_key() -> Refusal:
    """The secret is nobody's, or no more."""
    detail = (
        "This key is not known here, is revoked or has expired. Whoever runs the service makes one: "
        "millrace keys create NAME --scope SCOPE."
    )
    return Refusal(401, "unknown-key", detail, [(b"www-authenticate", _REALM + b', error="invalid_token"')])


def insufficient(caller: Caller, needed: Scopes) -> Refusal:
    """The key is for other things."""
    names = _named(needed)
    detail = f"The key {caller.name} may {', '.join(sorted(caller.scopes))}; this needs one {_for(needed)}."
    header = _REALM + b', error="insufficient_scope", scope="%s"' % names[0].encode()
    return Refusal(403, "insufficient-scope", detail, [(b"www-authenticate", header)], scopes=names)


def too_many(caller: Caller, bucket: Bucket, wait: float) -> Refusal:
    """The key has asked too often."""
    seconds = ceil(wait)
    detail = (
        f"The key {caller.name} may ask {bucket.rate.count:,} times in {bucket.rate.seconds:g} s; wait {seconds} s."
    )
    own = [(b"retry-after", b"%d" % seconds), *rate_headers(bucket)]
    return Refusal(429, "too-many-requests", detail, own)


def rate_headers(bucket: Bucket) -> Headers:
    """How much of a rate is left, and in how many seconds there is all of it."""
    rate, left = bucket.rate, bucket.left
    reset = ceil((rate.count - left) * rate.seconds / rate.count)
    return (
        (b"ratelimit-policy", bucket.policy),
        (b"ratelimit", b'"key";r=%d;t=%d' % (left, reset)),
    )


def _for(needed: Scopes) -> str:
    return "of any scope" if needed == ANY else f"with the scope {' or '.join(_named(needed))}"


def _named(needed: Scopes) -> list[str]:
    """The scopes, the narrowest first."""
    return sorted(needed, key=lambda scope: (scope == "admin", scope))

"""Which keys open which address. The only place that says it: what is not named here needs `admin`.

Paths are compared as the router does, decoded and as they are, so that what this reads is what is reached.
"""

from __future__ import annotations

from serving.access.keys import Scope

Scopes = frozenset[Scope]
"""A key with one of these opens it."""

ADMIN: Scopes = frozenset({Scope.ADMIN})
ANSWER: Scopes = frozenset({Scope.ANSWER, Scope.ADMIN})
DEPLOY: Scopes = frozenset({Scope.DEPLOY, Scope.ADMIN})
EMIT: Scopes = frozenset({Scope.EMIT, Scope.ADMIN})
ANY: Scopes = frozenset(Scope)

SAFE = frozenset({"GET", "HEAD"})
"""Methods that change nothing."""
PAGES = "/console/"
"""Below it forms are sent, and nothing else."""
ASKING = frozenset({"/console/endpoints"})
"""Pages whose forms ask as clients do and change nothing: their answers are logged as decisions."""
LOGIN = "/console/login"
_NO_TYPES = frozenset({"experiments", "decisions"})
"""What is no endpoint type below /v1."""
_FREE = frozenset({"/healthz", "/readyz", LOGIN})
_LISTED = frozenset({"/v1", "/openapi.json", "/asyncapi.json", "/metrics", "/docs"})


def opens(method: str, path: str) -> Scopes | None:
    """The scopes of which one is needed; None = whoever reaches the port may."""
    if path.startswith("/v1/"):
        first = path[4:].partition("/")[0]
        if first == "deployments":
            return DEPLOY
        if method == "POST" and first not in _NO_TYPES:
            return ANSWER
        return ANY if method in SAFE else ADMIN
    if method == "POST" and path.startswith("/events/"):
        return EMIT
    if method in SAFE:
        if path in _LISTED or path.startswith("/docs/static/"):
            return ANY
        if path in _FREE or path.startswith("/console/static/"):
            return None
    return None if method == "POST" and path == LOGIN else ADMIN

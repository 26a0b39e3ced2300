"""Forms that a session's reader sends: each page's forms carry the session's token, and only such are taken.

A page of another site can make a browser send a form with the session's cookie; it cannot read the token (OWASP's
synchronizer token), so that the browser's own word for where a form came from is not all that is relied upon.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, MutableMapping
from hmac import compare_digest
from html import escape
from typing import Any
from urllib.parse import parse_qsl

from serving.access.access import CALLER
from serving.body import Receive, read_body
from serving.problem import Problem

FIELD = "csrf-token"
HEADER = b"x-csrf-token"
LIMIT = 1024 * 1024
"""Bytes that a form may have: a schema is the largest part."""
FIELDS = 1_000
_FORM = re.compile(r'<form\b[^>]*\bmethod="post"[^>]*>', re.IGNORECASE)


def is_form(headers: Mapping[bytes, bytes]) -> bool:
    """Whether the body is a form, as browsers send one."""
    return headers.get(b"content-type", b"").split(b";")[0].strip().lower() == b"application/x-www-form-urlencoded"


async def read(receive: Receive) -> tuple[Mapping[str, str], Receive]:
    """The fields, and a `receive` that gives the same body once more.

    Raises:
        Problem: 413, it is too long; 400, it has too many fields.
        Disconnected: the client left.
    """
    body = await read_body(receive, LIMIT)
    try:
        found = parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True, max_num_fields=FIELDS)
    except ValueError as error:
        raise Problem(400, "wrong-form", f"The form has more than {FIELDS} fields.") from error
    waiting = [{"type": "http.request", "body": body, "more_body": False}]

    async def again() -> dict[str, Any]:
        return waiting.pop() if waiting else await receive()

    return dict(found), again


def must_carry_token(token: str, headers: Mapping[bytes, bytes], form: Mapping[str, str]) -> None:
    """Check that a change was asked for on a page that this session was sent.

    Raises:
        Problem: 403.
    """
    given = headers.get(HEADER) or form.get(FIELD, "").encode()
    if not compare_digest(given, token.encode()):
        raise Problem(403, "stale-page", "This page is of an earlier session, or is not ours; load it again.")


def with_token(html: str, scope: MutableMapping[str, Any]) -> str:
    """A page whose forms carry the token of the session that asks for it, if one does."""
    caller = scope.get(CALLER)
    if caller is None or caller.session is None:
        return html
    field = f'<input type="hidden" name="{FIELD}" value="{escape(caller.session.token)}">'
    return _FORM.sub(lambda found: found[0] + field, html)

"""Who is written down beside a change: the name of the key that asks for it, which nobody can claim."""

from __future__ import annotations

from contextvars import ContextVar

KEY: ContextVar[str] = ContextVar("millrace.key", default="")
"""Name of the key of the request under way that changes something; empty where no key is asked for."""
_WAYS = ("", "http", "console")
"""What is claimed where nobody says who they are: by which way they came."""
LONGEST = 100
"""Characters."""


def signed(claimed: str) -> str:
    """The key's name, with what is claimed beside it in brackets where there is room; without a key what is claimed."""
    key = KEY.get()
    if not key:
        return claimed
    both = f"{key} ({claimed})"
    return key if claimed in (*_WAYS, key) or len(both) > LONGEST else both

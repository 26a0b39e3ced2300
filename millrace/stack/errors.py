"""What can go wrong with the local stack.

MillraceError
└── StackError    one sentence: what happened, to what, and what to do
"""

from __future__ import annotations

from schemas.errors import MillraceError


class StackError(MillraceError):
    """A part of the local stack could not be fetched, started or stopped; the message says what to do."""

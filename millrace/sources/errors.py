"""What can go wrong with an external source.

MillraceError
├── SourceRefused       it is not what was declared, or what earlier snapshots hold; names the row where one is wrong
├── SourceUnavailable   it does not answer, or not in time; ask again later
└── SourceMissing       no such source is declared, or there is no snapshot of it
"""

from __future__ import annotations

from schemas.errors import MillraceError


class SourceRefused(MillraceError):
    """What the source gives cannot be kept; nothing of it was. The message says what to change."""


class SourceUnavailable(MillraceError):
    """The source does not answer, or not in time; nothing of it was kept."""

    passes = True


class SourceMissing(MillraceError):
    """No source of this name, or no snapshot of it at that moment; the message says what there is."""

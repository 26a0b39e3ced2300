"""Spans of time as options give them: `--expires 90d`."""

from __future__ import annotations

from datetime import timedelta


def span_of(option: str, text: str) -> timedelta:
    """The span.

    Raises:
        MillraceError: the text is none; the message begins with the option's name.
    """
    from schemas.errors import MillraceError
    from storage.formats.span import span

    try:
        return span(text)
    except ValueError as error:
        raise MillraceError(f"{option}: {error}.") from error

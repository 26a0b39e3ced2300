"""Spans of time and moments as options give them: `--expires 90d`, `--since 2h`."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta


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


def moment_of(option: str, text: str) -> datetime:
    """A moment: so long ago (`2h`), or a time as ISO 8601 writes it, on this machine's clock unless it says where.

    Raises:
        MillraceError: the text is neither; the message begins with the option's name.
    """
    from schemas.errors import MillraceError

    try:
        return datetime.fromisoformat(text).astimezone(UTC)
    except ValueError:
        pass
    try:
        return datetime.now(UTC) - span_of(option, text)
    except MillraceError:
        raise MillraceError(
            f"{option}: {text!r} is no time; write 2h for two hours ago, or 2026-11-26T14:00."
        ) from None

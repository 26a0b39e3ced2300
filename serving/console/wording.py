"""Numbers in the console's words: always a unit, a no-break space before it, absolute times; `—` is "not known"."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

from serving.measurements import Behind
from storage.formats.span import in_words

UNKNOWN = "—"
SPACE = "\N{NO-BREAK SPACE}"


def count(value: int | float | None) -> str:
    """A whole number with thousands separators: `9,312`."""
    return UNKNOWN if value is None else f"{value:,.0f}"


def short_count(value: int | float | None) -> str:
    """A whole number where there is little room: `9,312`, `153 k`, `1.4 M`."""
    if value is None or value < 100_000:
        return count(value)
    return f"{value / 1e3:,.0f}{SPACE}k" if value < 1e6 else f"{value / 1e6:,.1f}{SPACE}M"


def plural(value: int, noun: str, nouns: str | None = None) -> str:
    """A count with its noun: `1 unit`, `4 units`."""
    return f"{count(value)}{SPACE}{noun if value == 1 else nouns or noun + 's'}"


def size(value: int | None) -> str:
    """Bytes: `0 B`, `96 kB`, `1.4 MB`, `1.7 GB`."""
    if value is None:
        return UNKNOWN
    amount, unit = float(value), "B"
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if amount < 999.5 or unit == "TB":
            break
        amount /= 1000
    return (
        f"{amount:,.1f}{SPACE}{unit}" if unit not in ("B", "kB") and amount < 99.95 else f"{amount:,.0f}{SPACE}{unit}"
    )


def number(value: float) -> str:
    """A score as it is read: `918.4`, `0.00031`."""
    return f"{value:,.1f}" if abs(value) >= 100 else f"{value:.4g}"


def rate(per_second: float | None) -> str:
    """`1,240/s`, `3.2/s`, `0/s`."""
    if per_second is None:
        return UNKNOWN
    if per_second == 0 or per_second >= 10:
        return f"{per_second:,.0f}/s"
    return f"{per_second:.1f}/s" if per_second >= 0.1 else f"{per_second:.2f}/s"


def seconds(value: float | None) -> str:
    """A span: `0 s`, `< 0.1 s`, `0.3 s`, `42 s`, `12 min`, `5 h`, `3 days`."""
    if value is None:
        return UNKNOWN
    if value == 0:
        return f"0{SPACE}s"
    if value < 0.1:
        return f"<{SPACE}0.1{SPACE}s"
    if value < 9.95:
        return f"{value:.1f}{SPACE}s"
    for limit, size, unit in ((120, 1, "s"), (7200, 60, "min"), (172_800, 3600, "h")):
        if value < limit:
            return f"{value / size:.0f}{SPACE}{unit}"
    return f"{value / 86_400:.0f}{SPACE}days"


def at_most(value: float) -> str:
    """A span as an upper limit, never shown smaller than a tenth of a second: `0.1 s`, `0.4 s`."""
    return seconds(max(0.1, value))


def milliseconds(value: float | None) -> str:
    """A latency given in seconds: `0.4 ms`, `9.6 ms`, `48 ms`, `1.2 s`."""
    if value is None:
        return UNKNOWN
    if value >= 1:
        return seconds(value)
    return f"{value * 1000:.1f}{SPACE}ms" if value < 0.0095 else f"{value * 1000:.0f}{SPACE}ms"


def percent(share: float | None) -> str:
    """A share between 0 and 1: `0.03 %`, `12.4 %`, `0 %`."""
    if share is None:
        return UNKNOWN
    digits = 0 if share in (0, 1) else 2 if share < 0.001 else 1
    return f"{share * 100:.{digits}f}{SPACE}%"


def signed_percent(share: float | None) -> str:
    """A lift: `+2.1 %`, `−0.4 %`, `0 %`."""
    if share is None:
        return UNKNOWN
    size = abs(share) * 100
    text = f"{size:,.0f}" if size >= 99.5 or size == 0 else f"{size:.1f}" if size >= 0.095 else f"{size:.2f}"
    sign = "" if text.strip("0.") == "" else "+" if share > 0 else "−"
    return f"{sign}{text}{SPACE}%"


def lift_range(lift: float | None, low: float | None, high: float | None) -> str:
    """A lift with its bounds: `+2.1 %, between +1.7 % and +2.5 %`."""
    if low is None or high is None:
        return f"{signed_percent(lift)}, no range yet"
    return f"{signed_percent(lift)}, between {signed_percent(low)} and {signed_percent(high)}"


_REASONS = {
    "deadline-passed": "its deadline passed",
    "storage-missing": "a storage that it reads does not exist",
    "storage-unavailable": "a storage that it reads did not answer",
    "implementation-failed": "its code failed",
    "implementation-refused": "it asks a storage for what that cannot do",
    "out-of-rotation": "it is out of rotation, as it kept failing",
}


def reason(kind: str) -> str:
    """Why an implementation gave no answer, by the kind of its problem."""
    return _REASONS.get(kind, kind)


def clock(at: float | None) -> str:
    """A time of day on the server's clock, `14:02:11`; with the date if it is not today."""
    if at is None:
        return "never"
    moment = datetime.fromtimestamp(at).astimezone()
    today = datetime.now().astimezone().date()
    return f"{moment:%H:%M:%S}" if moment.date() == today else f"{moment.day}{SPACE}{moment:%b %Y %H:%M}"


def day(at: float) -> str:
    """A day, `17 Nov`; today and yesterday the time of day counts: `14:02`, `24 Nov 14:02`."""
    moment, now = datetime.fromtimestamp(at).astimezone(), datetime.now().astimezone()
    if moment.date() == now.date():
        return f"{moment:%H:%M}"
    date = f"{moment.day}{SPACE}{moment:%b}" + (f"{SPACE}{moment:%Y}" if moment.year != now.year else "")
    return f"{date}{SPACE}{moment:%H:%M}" if abs(moment - now) < timedelta(days=2) else date


def iso(text: str) -> str:
    """A time as storages keep it, on the server's clock: `25 Nov 2026 14:02:11`; the text itself where it is none."""
    try:
        moment = datetime.fromisoformat(text).astimezone()
    except ValueError:
        return text
    return f"{moment.day}{SPACE}{moment:%b %Y %H:%M:%S}"


def options(values: Mapping[str, Any]) -> str:
    """A storage's options in words: `Half-life 6 h, at most 500 members`."""
    said = [words(value) for name, words in _OPTIONS.items() if (value := values.get(name)) is not None]
    hidden = {*_OPTIONS, "index", "layout"}
    said += [
        f"{name.replace('_', ' ')} {value}"
        for name, value in values.items()
        if value is not None and name not in hidden
    ]
    text = ", ".join(said)
    return text[:1].upper() + text[1:]


_OPTIONS: dict[str, Callable[[Any], str]] = {
    "half_life_ms": lambda value: f"half-life {in_words(value).replace(' ', SPACE)}",
    "size": lambda value: f"at most {plural(value, 'member')} read",
    "dimensions": lambda value: plural(value, "dimension"),
    "fields": lambda value: f"searched by {', '.join(map(str, value))}",
}


def ago(at: float | None, now: float) -> str:
    """How long before `now` something happened: `0.3 s ago`, `never`."""
    return "never" if at is None else f"{seconds(max(0.0, now - at))} ago"


def sampled(at: float, now: float) -> str:
    """How long ago something was seen to happen that is looked at once a second: `within 1 s`, `42 s ago`."""
    return f"within 1{SPACE}s" if now - at < 1 else ago(at, now)


def behind(value: Behind | None) -> str:
    """Seconds behind; `> 42 s` where the oldest waiting event is older than the measurements."""
    if value is None:
        return UNKNOWN
    return seconds(value.seconds) if value.exact else f">{SPACE}{seconds(value.seconds)}"

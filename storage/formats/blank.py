"""A storage before anybody writes it: what each format asks for, checked as learners' declarations are.

The first learner that declares the same takes it over; see `declaring.settled`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from schemas import MillraceError
from schemas.avro import of_text, resolved
from storage.descriptor import Descriptor
from storage.errors import FormatRefused, OptionRefused
from storage.formats.counters import Counters
from storage.formats.documents import Documents
from storage.formats.format import Format
from storage.formats.parameters import Parameters
from storage.formats.ranking import LONGEST_HALF_LIFE, Ranking
from storage.formats.span import span
from storage.formats.vectors import Vectors
from storage.kinds import KINDS
from storage.options import MERGES, METRICS
from storage.technologies import kind, must_hold

LONGEST_NAME = 100
MOST_DIMENSIONS = 65_536
"""Of a vector: 256 KiB, far above what models give."""
_WHOLE = re.compile(r"[0-9]{1,10}")


@dataclass(frozen=True, slots=True)
class Option:
    """What a format asks for.

    Attributes:
        kind: "span" of time, "whole" number from 1 on, "choice" of `choices`, "names" (a list, or separated by commas),
            "schema" (Avro, of a record).
        choices: the first is meant where none is given.
        most: the largest whole number that is taken.
    """

    name: str
    label: str
    kind: Literal["span", "whole", "choice", "names", "schema"]
    hint: str
    required: bool = False
    choices: tuple[str, ...] = ()
    most: int = 1_000_000_000


OPTIONS: dict[str, tuple[Option, ...]] = {
    "counters": (),
    "ranking": (
        Option("half_life", "Half-life", "span", "such as 6h or 30d; empty = scores stay as they are"),
        Option("size", "Members read at most", "whole", "of one row; empty = as many as are asked for"),
    ),
    "records": (Option("schema", "Avro schema", "schema", "of one record, as JSON", required=True),),
    "vectors": (
        Option("dimensions", "Dimensions", "whole", "numbers in each vector", required=True, most=MOST_DIMENSIONS),
        Option("metric", "Metric", "choice", "what makes two of them near", choices=METRICS),
    ),
    "documents": (Option("fields", "Fields", "names", "of a document, all of them searched", required=True),),
    "parameters": (Option("merge", "Merge", "choice", "how the units' models become one", choices=MERGES),),
}
"""By format, in the order in which people meet them."""


def blank(
    technology: str,
    format: str,
    name: str,
    options: Mapping[str, Any],
    schema: Any = None,
    spelled: Callable[[str], str] = str,
) -> Descriptor:
    """The descriptor of a storage that nobody writes yet, for `versions.create`.

    Args:
        options: by name, as text or as JSON values; None and "" count as left out. See `OPTIONS`.
        schema: Avro schema of the rows, as JSON values or as their text, where the format has one.
        spelled: an option's name as whoever gave it wrote it, for messages.

    Raises:
        OptionRefused: something cannot be so; `field` is "technology", "format", "name", "schema" or an option's name.
    """
    _check_place(technology, format, name)
    given = {key: value for key, value in {**options, "schema": schema}.items() if value not in (None, "")}
    known = {option.name: option for option in OPTIONS[format]}
    for key in given.keys() - known.keys():
        there = ", ".join(map(spelled, known)) or "none"
        raise OptionRefused(key, f"{format} has no option {spelled(key)}; it has {there}.")
    for key, option in known.items():
        if option.required and key not in given:
            raise OptionRefused(key, f"{format} needs {spelled(key)}: {option.hint}.")
    values = {key: _value(known[key], value, spelled(key)) for key, value in given.items()}
    try:
        form = FORMS[format](name, technology, values)
        found = replace(form.describe("", 1, 1, ""), writer="", topic="")
        must_hold(technology, found)
    except FormatRefused as error:
        raise OptionRefused("format", str(error)) from error
    return found


def _check_place(technology: str, format: str, name: str) -> None:
    try:
        kind(technology)
    except FormatRefused as error:
        raise OptionRefused("technology", str(error)) from error
    if format not in OPTIONS:
        raise OptionRefused("format", f"There is no format {format!r}; there are {', '.join(OPTIONS)}.")
    try:
        Counters(name)
    except FormatRefused as error:
        raise OptionRefused("name", str(error)) from error
    if len(name) > LONGEST_NAME:
        raise OptionRefused("name", f"A name has at most {LONGEST_NAME} characters, not {len(name)}.")


class _Rows(Format):
    """Records of a schema that no class stands for."""

    format = "records"

    def __init__(self, name: str, technology: str, schema: Mapping[str, Any]) -> None:
        super().__init__(name, technology)
        self._schema = schema

    @property
    def schema(self) -> Mapping[str, Any]:
        """Avro schema of the rows."""
        return self._schema


Values = Mapping[str, Any]
FORMS: dict[str, Callable[[str, str, Values], Format]] = {
    "counters": lambda name, technology, values: Counters(name, technology),
    "ranking": lambda name, technology, values: Ranking(name, technology=technology, **values),
    "records": lambda name, technology, values: _Rows(name, technology, values["schema"]),
    "vectors": lambda name, technology, values: Vectors(name, technology=technology, **values),
    "documents": lambda name, technology, values: Documents(name, technology=technology, **values),
    "parameters": lambda name, technology, values: Parameters(name, dict, technology=technology, **values),
}
"""How each format is declared from checked options."""


def _value(option: Option, given: Any, spelled: str) -> Any:
    try:
        return _READ[option.kind](option, given)
    except (ValueError, TypeError, MillraceError) as error:
        raise OptionRefused(option.name, f"{spelled}: {str(error).rstrip('.')}.") from error


def _span(option: Option, given: Any) -> Any:
    found = span(str(given))
    if not found:
        raise ValueError("it must be longer than nothing")
    if found > LONGEST_HALF_LIFE:
        raise ValueError(
            f"{given!r} is longer than {LONGEST_HALF_LIFE.days} days; leave it out where scores are to stay"
        )
    return found


def _whole(option: Option, given: Any) -> int:
    text = str(given).strip()
    if isinstance(given, bool) or not _WHOLE.fullmatch(text) or not 1 <= int(text) <= option.most:
        raise ValueError(f"{text[:40]!r} is no whole number from 1 to {option.most:,}")
    return int(text)


def _choice(option: Option, given: Any) -> str:
    if given not in option.choices:
        raise ValueError(f"{given!r} is none of {', '.join(option.choices)}")
    return str(given)


def _names(option: Option, given: Any) -> list[str]:
    names = given.split(",") if isinstance(given, str) else list(given)
    found = [str(name).strip() for name in names if str(name).strip()]
    if not found:
        raise ValueError("it names nothing")
    if len(set(found)) < len(found):
        raise ValueError("it names one of them twice")
    "".join(found).encode()  # half of a character, which JSON can name, is kept nowhere
    return found


def _schema(option: Option, given: Any) -> Any:
    schema = of_text(given if isinstance(given, str) else json.dumps(given))
    if resolved(schema).kind != "record" or not isinstance(schema, dict):
        raise ValueError("the rows need a schema of the type record, with fields")
    json.dumps(schema, allow_nan=False)  # Python's JSON has numbers that nobody else's has
    return schema


_READ: dict[str, Callable[[Option, Any], Any]] = {
    "span": _span,
    "whole": _whole,
    "choice": _choice,
    "names": _names,
    "schema": _schema,
}


def places() -> dict[str, dict[str, str | None]]:
    """By technology that keeps what it holds: each format, and why it cannot be held there; None = it can."""
    return {
        name: {format: found.refuses.get(format) for format in OPTIONS}
        for name, found in KINDS.items()
        if name != "memory"
    }

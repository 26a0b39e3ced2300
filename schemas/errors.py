"""What can go wrong, drawn as a tree. `MillraceError` is the root of every room's errors.

MillraceError
└── SchemaError                 an Avro schema, or an event class, that cannot be used; says where and what to change
    ├── IncompatibleSchema      a registry refuses a changed schema; `messages` say what would break
    ├── UnknownSchema           no schema has this id, or the subject has none
    ├── MalformedEvent          bytes, JSON or a value that do not fit their schema; names the field
    │   └── UnreadableEvent     a good event of its own schema, which the reader's schema cannot read
    └── RegistryUnavailable     the registry does not answer; ask again later
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal


class MillraceError(Exception):
    """Root of all errors that Millrace raises on purpose: the message says what happened, to what, and what to do.

    Attributes:
        passes: whether it passes by itself, so that the same call may succeed later.
    """

    passes: bool = False


class SchemaError(MillraceError):
    """A schema or an event class cannot be used as it stands."""


class IncompatibleSchema(SchemaError):
    """A schema would break readers or writers of its subject.

    Attributes:
        messages: what would break, one sentence each.
    """

    def __init__(self, subject: str, messages: Sequence[str]) -> None:
        self.subject, self.messages = subject, list(messages)
        what = "; ".join(self.messages) or "the registry gives no reason"
        super().__init__(
            f"{subject} refuses this schema: {what}. Give new fields a default, let its readers take "
            "the change first, or register it under another topic."
        )


class UnknownSchema(SchemaError):
    """The registry has no such schema.

    Attributes:
        missing: what there is not.
    """

    def __init__(self, message: str, missing: Literal["subject", "version", "schema"] = "schema") -> None:
        super().__init__(message)
        self.missing = missing


class MalformedEvent(SchemaError):
    """Bytes or a value do not fit their schema.

    Attributes:
        field: the place that does not fit, `lines[1].n`; None where it is the event as a whole, or not known.
    """

    def __init__(self, message: str, *, field: str | None = None) -> None:
        super().__init__(message)
        self.field = field


class UnreadableEvent(MalformedEvent):
    """An event is what its writer's schema says, and the reader's schema cannot read it: the reader has to change.

    Attributes:
        why: places and what is wrong there, without a full stop.
    """

    def __init__(self, why: str) -> None:
        super().__init__(f"What was written cannot be read by this schema: {why}.")
        self.why = why


class RegistryUnavailable(SchemaError):
    """The registry does not answer, or answers with a failure of its own."""

    passes = True

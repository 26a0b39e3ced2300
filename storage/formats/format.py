"""What all formats share: a declaration that a learner makes as a class attribute, and that its units bind to."""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, ClassVar, Self

from storage.descriptor import Descriptor
from storage.errors import FormatRefused
from storage.session import Session

_NAME = re.compile(r"[a-z][a-z0-9_]*")


class Format:
    """A storage as it is declared: format, name and technology.

    Declared once as a class attribute; each unit works on a copy that is bound to its own session. Its methods collect
    writes; they become visible with the unit's next commit.

    Attributes:
        format: what the rows mean, "ranking".
        reads_back: a learner may read its rows back while folding.
        technology: where they live; None = where the product or the platform says.

    Raises:
        FormatRefused: the name is none.
    """

    format: ClassVar[str]
    reads_back: ClassVar[bool] = False

    def __init__(self, name: str, technology: str | None = None) -> None:
        if not _NAME.fullmatch(name):
            raise FormatRefused(f"{name!r} cannot name a storage; use small letters, digits and _, a letter first.")
        self.name, self.technology = name, technology
        self._session: Session | None = None

    @property
    def storage(self) -> str:
        """Format and name, as an address has it."""
        return f"{self.format}/{self.name}"

    @property
    def options(self) -> Mapping[str, Any]:
        """What its rows depend on, as JSON values; changing it needs a new version."""
        return {}

    @property
    def schema(self) -> Mapping[str, Any] | None:
        """Avro schema of its values, where it has one."""
        return None

    def describe(self, learner: str, version: int, generation: int, topic: str) -> Descriptor:
        """What the storage says of itself when this learner's version writes it."""
        return Descriptor(
            technology=self.technology or "redis",
            format=self.format,
            name=self.name,
            version=version,
            writer=f"{learner}@{version}",
            generation=generation,
            topic=topic,
            options=dict(self.options),
            schema=self.schema,
            created=datetime.now(UTC).isoformat(timespec="seconds"),
        )

    def bind(self, session: Session) -> Self:
        """A copy whose writes and reads go through this session."""
        bound = copy.copy(self)
        bound._session = session
        return bound

    @property
    def session(self) -> Session:
        """The session of a bound copy. Raises FormatRefused on the declaration itself."""
        if self._session is None:
            raise FormatRefused(f"{self.storage} is a declaration; write to it in `learn`, through `self`.")
        return self._session

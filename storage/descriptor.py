"""What a storage says of itself, kept where its rows live."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

from storage.entry import MOMENT, NAME, OBJECT, TEXT, integer, read
from storage.options import must_be

State = str
STATES = ("ready", "filling", "leaving", "deleting")
"""A version is `ready`, or `filling` while it is loaded, `leaving` while somebody looks whether it may be removed, and
`deleting` while its rows are removed. What is not `ready` no name leads to; another state is of a later release, and
stays as it is."""
_RULES = {
    "technology": TEXT,
    "format": NAME,
    "name": NAME,
    "version": integer(1),
    "writer": TEXT,
    "generation": integer(0),
    "topic": TEXT,
    "options": OBJECT,
    "schema": OBJECT.or_null(),
    "created": TEXT,
    "state": TEXT,
    "made_by": TEXT,
    "alive_ms": MOMENT.or_null(),
}
_OPTIONAL = ("state", "made_by", "alive_ms")


@dataclass(frozen=True)
class Descriptor:
    """One version of a storage.

    Attributes:
        technology: where its rows live, "redis".
        format: what its rows mean, "ranking".
        writer: "learner@version", the only one who writes it; "" = created, and nobody has written it yet.
        generation: of the writer's rows.
        topic: what the writer folds.
        options: the format's, as JSON.
        schema: Avro schema of its values, where the format has one.
        created: ISO 8601.
        state: see `State`.
        made_by: who created or loaded it, for people: "console", "ada@build-3"; "" = its learner did.
        alive_ms: when the load that fills it last said that it goes on, in ms since 1970; None = nothing fills it.
    """

    technology: str
    format: str
    name: str
    version: int
    writer: str
    generation: int
    topic: str
    options: Mapping[str, Any]
    schema: Mapping[str, Any] | None
    created: str
    state: State = "ready"
    made_by: str = ""
    alive_ms: int | None = None

    @property
    def place(self) -> tuple[str, str]:
        """Format and name: what an alias is kept under."""
        return self.format, self.name

    @property
    def index(self) -> str | None:
        """How rows are found other than by key: "vector" (nearest), "text" (full text), or None."""
        found = self.options.get("index")
        return None if found is None else str(found)

    @cached_property
    def storage(self) -> str:
        """Format and name: how a row's address names it."""
        return f"{self.format}/{self.name}"

    @property
    def entry(self) -> str:
        """What its descriptor is kept under: "ranking/trending@3"."""
        return f"{self.storage}@{self.version}"

    @property
    def title(self) -> str:
        """As people write it: "redis/ranking/trending@3"."""
        return f"{self.technology}/{self.entry}"

    @cached_property
    def learner(self) -> str:
        """The writer without its version."""
        return self.writer.rpartition("@")[0] or self.writer

    def is_last_of(self, every: Iterable[Descriptor]) -> bool:
        """Whether no other of these is of its generation, whose units then go with it."""
        generation = self.learner, self.generation
        return all(item.entry == self.entry or (item.learner, item.generation) != generation for item in every)

    @property
    def fingerprint(self) -> str:
        """Equal for two declarations that mean the same rows; time, technology and generation do not count."""
        meaning = [self.format, self.options, self.schema, self.topic]
        return hashlib.sha256(json.dumps(meaning, sort_keys=True, default=dict).encode()).hexdigest()[:16]

    def to_json(self) -> str:
        """As it is kept; `of_json` reads it."""
        return json.dumps(asdict(self), sort_keys=True)

    @classmethod
    def of_json(cls, text: object) -> Descriptor:
        """Read what `to_json` wrote; what a later release may have added is ignored.

        Raises:
            EntryDamaged: it is none; any program may have written it.
        """
        found = cls(**read(text, _RULES, _OPTIONAL))
        must_be(found.format, found.options)
        return found

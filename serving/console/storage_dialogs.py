"""What the Storages page asks before it changes something: what will happen, to whom, and how to undo it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from serving.console.storage_words import readers, whole
from serving.measurements import Flow, StorageFigures
from serving.storages.storages import Storages
from storage.formats.blank import OPTIONS, Option, places
from storage.retention import in_use
from storage.versions import earlier


@dataclass(frozen=True, slots=True)
class Creation:
    """The form of a new storage. `formats` gives by technology each format and why it is not held there, or None."""

    technologies: Sequence[str]
    formats: Mapping[str, Mapping[str, str | None]]
    options: Mapping[str, Sequence[Option]] = field(default_factory=lambda: OPTIONS)
    kind: str = "create"


@dataclass(frozen=True, slots=True)
class Move:
    """A name is about to stand for another version. `together` are names that move with it."""

    kind: str
    storage: str
    name: str
    version: int
    now: int | None
    readers: str
    together: Sequence[str]


@dataclass(frozen=True, slots=True)
class Removal:
    """A storage is about to be deleted. `uses` says who reads or writes it now, None = that cannot be told;
    `single` are versions that may be deleted alone."""

    storage: str
    name: str
    versions: Sequence[int]
    single: Sequence[int]
    rows: int | None
    readers: str
    uses: Sequence[str] | None
    kind: str = "delete"


Dialog = Creation | Move | Removal


def creation(storages: Storages) -> Creation:
    """Lists the technologies that are set up here."""
    every = places()
    nothing: dict[str, str | None] = dict.fromkeys(OPTIONS)
    return Creation(storages.technologies, {name: every.get(name, nothing) for name in storages.technologies})


def likely(storages: Storages) -> str:
    """The technology that a new storage is most likely meant for: the first that answers."""
    health = storages.catalogue.health()
    answering = (name for name in storages.technologies if name in health and health[name].error is None)
    return next(answering, next(iter(storages.technologies), ""))


def move(kind: str, flow: Flow, every: Sequence[StorageFigures], version: str) -> Move | None:
    """What a switch to a version, or a rollback, would do; None where there is nothing to go to."""
    alias = every[0].alias
    wanted = whole(version)
    if kind == "rollback":
        wanted = (earlier(alias, [item.descriptor for item in every]) if alias else None) or 0
    target = next((item for item in every if item.descriptor.version == wanted), None)
    if target is None or target.descriptor.state != "ready" or target.named:
        return None
    others = [
        item
        for item in (*flow.storages, *flow.superseded)
        if target.descriptor.topic
        and item.descriptor.writer == target.descriptor.writer
        and item.descriptor.technology == target.descriptor.technology
        and item.place != target.place
    ]
    places = {target.place, *(item.place for item in others)}
    read = [item.readings for item in (*flow.storages, *flow.superseded) if item.place in places]
    return Move(
        kind=kind,
        storage="/".join(target.place),
        name=target.descriptor.name,
        version=wanted,
        now=alias.version if alias else None,
        readers=readers(read),
        together=sorted({item.descriptor.name for item in others}),
    )


async def removal(storages: Storages, every: Sequence[StorageFigures]) -> Removal:
    """What a deletion would do. Asks the technology who uses it."""
    first = every[0].descriptor
    present = await storages.present(first.technology)
    uses = None if present is None else [why for item in every if (why := in_use(item.descriptor, present))]
    rows = [item.rows for item in every if item.rows is not None]
    return Removal(
        storage="/".join(every[0].place),
        name=first.name,
        versions=[item.descriptor.version for item in every],
        single=[item.descriptor.version for item in every if not item.named] if len(every) > 1 else [],
        rows=sum(rows) if len(rows) == len(every) else None,
        readers=readers(item.readings for item in every),
        uses=uses,
    )


def command(values: Mapping[str, Any]) -> str:
    """The command that does what a filled-in form of creation does."""
    format = values.get("format", "")
    told = [f"millrace storages create {values.get('technology', '')}/{format}/{values.get('name', '') or 'NAME'}"]
    for option in OPTIONS.get(format, ()):
        value = str(values.get(f"{format}.{option.name}", "")).strip()
        if value:
            told.append(f"--{option.name.replace('_', '-')} {'FILE' if option.kind == 'schema' else value}")
    return " ".join(told)

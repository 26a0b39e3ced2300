"""Storages and their versions as people and jobs change them: create, switch, roll back, delete, collect.

Every function blocks for a few exchanges with the technology, and may raise StorageUnavailable. Removing what is read
takes a second more.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from time import sleep

from storage.alias import Alias
from storage.clock import now_ms
from storage.descriptor import Descriptor
from storage.errors import StorageConflict, StorageMissing, StorageUnavailable
from storage.formats.window import first_kept, prefix
from storage.retention import Present, Retention, in_use, is_leased, removable, undecided
from storage.technology import Technology
from storage.watch import Watch

LEAVING = 1.0
"""Seconds from the mark of a version that is removed by force while it is read to the removal of its rows: readers look
four times as often, and leave what they find marked."""


def create(technology: Technology, descriptor: Descriptor, made_by: str) -> Descriptor:
    """Make a storage's first version, empty; the first learner that declares the same takes it over.

    Args:
        descriptor: its format, name, options and schema; see `blank.py`.
        made_by: who does it, for people: "console", "ada@build-3".

    Raises:
        StorageConflict: there is one of this name; the message says since when and by whom.
        FormatRefused: the technology cannot hold it.
    """
    if existing := versions(technology, *descriptor.place):
        raise _exists(existing[0])
    wanted = replace(
        descriptor,
        technology=technology.name,
        version=1,
        writer="",
        topic="",
        made_by=made_by,
        created=datetime.now(UTC).isoformat(timespec="microseconds"),
    )
    found = technology.declare(wanted)
    if found != wanted:
        raise _exists(found)
    return found


def versions(technology: Technology, format: str, name: str) -> list[Descriptor]:
    """All versions of a storage, oldest first; none if it does not exist."""
    return [item for item in technology.storages() if item.place == (format, name)]


def switch(technology: Technology, format: str, name: str, version: int) -> Alias:
    """Let a name stand for a version, and with it the names of all storages that its learner writes; returns the alias.

    Raises:
        StorageMissing: there is no such version, or it is not ready, or it is removed at this moment.
    """
    every = technology.storages()
    chosen = next((item for item in every if item.place == (format, name) and item.version == version), None)
    if chosen is None or chosen.state != "ready":
        raise _not_ready(every, format, name, version)
    together = [item for item in every if item.writer == chosen.writer and item.state == "ready"]
    if not technology.switch(together if chosen.topic else [chosen]):  # somebody removes one of them at this moment
        raise _not_ready(technology.storages(), format, name, version)
    return technology.aliases()[chosen.place]


def rollback(technology: Technology, format: str, name: str) -> Alias:
    """Let a name stand for the ready version before the one that it stands for; see `switch`.

    Raises:
        StorageMissing: there is no lower version.
    """
    alias = technology.aliases().get((format, name))
    target = None if alias is None else earlier(alias, versions(technology, format, name))
    if target is None:
        raise StorageMissing(f"{format}/{name} has no lower version to go back to; switch to the one that it is to be.")
    return switch(technology, format, name, target)


def earlier(alias: Alias, every: Sequence[Descriptor]) -> int | None:
    """The version that a name goes back to: what it stood for before, or the newest below; None if none is there."""
    there = [item.version for item in every if item.state == "ready" and item.version < alias.version]
    return alias.previous if alias.previous in there else max(there, default=None)


def delete(technology: Technology, format: str, name: str, version: int | None = None, force: bool = False) -> int:
    """Remove one version, or all of them, with all rows; returns how many are gone.

    Args:
        force: also what is read or written now. A learner that runs declares it again and folds it anew; where
            other storages of the learner are left beside it, its units stop.

    Raises:
        StorageMissing: there is none.
        StorageConflict: it is in use, or other versions exist and the name stands for this one.
    """
    every = versions(technology, format, name)
    chosen = [item for item in every if version in (None, item.version)]
    if not chosen:
        raise StorageMissing(f"{format}/{name}{'' if version is None else f'@{version}'} does not exist.")
    alias = technology.aliases().get((format, name))
    others = [item for item in every if item not in chosen and item.state == "ready"]
    if others and alias is not None and alias.version == version:
        raise StorageConflict(
            f"{chosen[0].title} is what readers of {name} get; roll back or switch to another version first."
        )
    if not force:
        now = present(technology)
        for item in chosen:
            if why := in_use(item, now):
                raise StorageConflict(f"{item.title} cannot be deleted: {why}. End that first, or force it.")
    named = _is_named if others else None
    return sum(_remove(technology, item, named) for item in chosen)


def discard(technology: Technology, entry: str) -> bool:
    """Remove what a technology keeps under an entry, "ranking/popular@2", if it cannot be read; False if it can, or
    there is nothing. Rows stay, as nobody can tell where they are."""
    return technology.discard("storage", entry) or technology.discard("alias", entry)


def collect(technology: Technology, retention: Retention, watch: Watch | None = None) -> list[Descriptor]:
    """Remove the versions that may go, what dead loads have left, and leases of what is gone; returns what is gone.

    Args:
        watch: of whoever looks again and again; see `retention`.
    """
    found = present(technology, watch)
    gone = [item for item in removable(found, retention) if _remove(technology, item, _is_read)]
    for item in undecided(found):
        technology.alter(item, replace(item, state="ready", alive_ms=None))
    if orphans := found.leases.keys() - {item.title for item in found.descriptors}:
        unread = {f"{technology.name}/{item.entry}" for item in technology.damaged()}
        technology.release(orphans - unread)
    return gone


def trim(technology: Technology, trimmed: dict[str, int]) -> None:
    """Remove what has decayed, or has been kept long enough: rows whose bucket or window no reader looks at any more.

    Args:
        trimmed: title -> the newest bucket, or the first window that is kept, when it was last looked at; is kept up to
            date, so that a storage is looked through only when that has moved.
    """
    for item in technology.storages():
        if item.state != "ready":
            continue
        if "retention_ms" in item.options:
            _expire(technology, item, trimmed)
        if not item.options.get("half_life_ms"):
            continue
        newest = technology.newest(item).bucket
        if newest is not None and trimmed.get(item.title) != newest:
            technology.trim(item, newest - 1)
            trimmed[item.title] = newest


def _expire(technology: Technology, item: Descriptor, trimmed: dict[str, int]) -> None:
    """Only when a tenth of the time for which windows are kept has passed, as some technologies look through all."""
    first, before = first_kept(item, technology.units(item)), trimmed.get(item.title)
    if first is not None and (before is None or first - before >= max(1, item.options["retention_ms"] // 10)):
        technology.expire(item, prefix(first))
        trimmed[item.title] = first


def present(technology: Technology, watch: Watch | None = None) -> Present:
    """The technology as it is now, and to whoever watches it."""
    descriptors = technology.storages()
    units = {item.title: technology.units(item) for item in descriptors if item.topic}
    found = Present(descriptors, technology.aliases(), units, technology.leases(), now_ms())
    return found if watch is None else replace(found, silent=watch.look(found.signs()))


def next_version(technology: Technology, format: str, name: str) -> int:
    """The number of the next version of a storage, past those that cannot be read."""
    prefix = f"{format}/{name}@"
    damaged = [item.entry.removeprefix(prefix) for item in technology.damaged() if item.entry.startswith(prefix)]
    unread = [int(number) for number in damaged if number.isascii() and number.isdecimal()]
    return 1 + max([*unread, *(item.version for item in versions(technology, format, name))], default=0)


def _remove(technology: Technology, item: Descriptor, spared: Callable[[Technology, Descriptor], bool] | None) -> bool:
    """Mark a version, so that nobody finds it any more, and look; then say that it goes, so that anybody can go on
    later, and erase it.

    Args:
        spared: None = nothing saves it; whether a version that was ready has been taken into use before it was marked.
    """
    was_ready = item.state == "ready"
    if spared is not None and was_ready:
        marked = replace(item, state="leaving", alive_ms=now_ms())
        if not technology.alter(item, marked):
            return False  # somebody else has changed it since
        if spared(technology, item):
            technology.alter(marked, item)
            return False
        item = marked
    doomed = replace(item, state="deleting", alive_ms=now_ms())
    try:
        if not technology.alter(item, doomed):
            return False
    except StorageUnavailable:
        if item.state != "deleting":
            raise
        doomed = item  # it is marked: what is full takes no new mark, but may be made empty
    if was_ready and _is_leased(technology, item):
        sleep(LEAVING)
    technology.erase(doomed)
    technology.release([item.title])
    return True


def _is_named(technology: Technology, item: Descriptor) -> bool:
    alias = technology.aliases().get(item.place)
    return alias is not None and alias.version == item.version


def _is_read(technology: Technology, item: Descriptor) -> bool:
    return _is_named(technology, item) or _is_leased(technology, item)


def _is_leased(technology: Technology, item: Descriptor) -> bool:
    return is_leased(item, Present([], {}, {}, technology.leases(), now_ms()))


def _not_ready(every: Sequence[Descriptor], format: str, name: str, version: int) -> StorageMissing:
    ready = ", ".join(f"@{item.version}" for item in every if item.place == (format, name) and item.state == "ready")
    return StorageMissing(f"{format}/{name}@{version} is not there to be read; ready are: {ready or 'none'}.")


def _exists(item: Descriptor) -> StorageConflict:
    by = f" by {item.made_by}" if item.made_by else f" by learner {item.writer}" if item.writer else ""
    return StorageConflict(f"{item.title} exists already, created{by} at {item.created}; take another name.")

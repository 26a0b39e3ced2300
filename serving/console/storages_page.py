"""What the Storages page shows: the list, the storage that was chosen from it, a row of that; and what its forms do."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

from serving.access.signing import signed
from serving.console import storage_dialogs, storage_words, wording
from serving.console.notes import away, unread
from serving.console.page import Done, Page
from serving.measurements import Measurements, StorageFigures
from serving.problem import Problem
from serving.storages.storages import Storages, parsed
from storage.formats.blank import OPTIONS
from storage.naming import Place
from storage.retention import Retention

Query = Mapping[str, str]
KEYS = 20
"""So many keys are suggested."""
MEMBERS = 8
"""So many members of a ranking are shown unless more are asked for."""


def context(
    measurements: Measurements,
    query: Query,
    retention: Retention | None = None,
    technologies: Collection[str] = (),
) -> dict[str, Any]:
    """What is measured: values for storages.html, live.

    Args:
        query: `storage` in it names the one to show.
        retention: by which rule versions are collected; None = nothing can be changed here.
        technologies: those that are set up, whether they hold a storage or not.
    """
    nothing: dict[str, Any] = {
        "dialog": None,
        "row": None,
        "done": "",
        "about_chosen": False,
        "wrong": "",
        "field": None,
        "values": {},
        "command": "",
    }
    flow = measurements.flow()
    if flow is None:
        return {"flow": None, "chosen": None, "created": False, "may_change": retention is not None, **nothing}
    places = storage_words.by_place(flow)
    listed = sorted((storage_words.shown(every) for every in places.values()), key=_order)
    chosen = _chosen(places, listed, query)
    note = away(flow, {*technologies, *(item.descriptor.technology for item in listed)})
    return {
        "flow": flow,
        "listed": listed,
        "lead": _lead(listed),
        "top": max((moment for item in listed for moment in item.course), default=0.0),
        "away": {one.name.lower(): one for one in flow.connections if one.error},
        "chosen": chosen,
        "created": query.get("done") == "created",
        "versions": storage_words.versions(places[chosen.place], retention or Retention()) if chosen else [],
        "may_change": retention is not None,
        "note": note,
        "status": note.status if note else "",
        **nothing,
    }


READ_ONLY = Page("storages", "Storages", "storages.html", context)
"""The page where nothing can be changed and no row read."""


class StoragesPage:
    """The page over storages that can be looked into and changed."""

    def __init__(self, storages: Storages, retention: Retention) -> None:
        self._storages, self._retention = storages, retention

    def page(self) -> Page:
        """For the console."""
        return Page("storages", "Storages", "storages.html", self.context, prepare=self.prepare, act=self.act)

    def context(self, measurements: Measurements, query: Query) -> dict[str, Any]:
        """See `context`."""
        found = context(measurements, query, self._retention, self._storages.catalogue.health())
        note = found.get("note") or unread(self._storages.catalogue.damaged())
        return {**found, "note": note, "status": note.status if note else found.get("status", "")}

    async def prepare(self, measurements: Measurements, query: Query) -> dict[str, Any]:
        """A row of the chosen storage, and the dialog that is asked for: `ask` in the query."""
        flow, more = measurements.flow(), dict[str, Any]()
        if query.get("ask") == "create":
            more["dialog"] = storage_dialogs.creation(self._storages)
            more["values"] = {"technology": storage_dialogs.likely(self._storages), "format": "ranking"}
            more["command"] = storage_dialogs.command(more["values"])
        places = storage_words.by_place(flow) if flow else {}
        listed = sorted((storage_words.shown(every) for every in places.values()), key=_order)
        chosen = _chosen(places, listed, query)
        if flow is None or chosen is None:
            return more | _told(query, None)
        more["search"] = urlencode({**query, "storage": query.get("storage") or "/".join(chosen.place)})
        more["row"] = await self._row(chosen, query)
        if query.get("ask") in ("switch", "rollback"):
            more["dialog"] = storage_dialogs.move(query["ask"], flow, places[chosen.place], query.get("version", ""))
        elif query.get("ask") == "delete":
            more["dialog"] = await storage_dialogs.removal(self._storages, places[chosen.place])
        return more | _told(query, chosen)

    async def act(self, form: Query) -> Done:
        """Do what a form asks for, or show it again with what was wrong."""
        act = self._acts.get(form.get("do", ""))
        try:
            if act is None:
                raise Problem(422, "no-such-form", "Nothing of this kind can be done here.")
            return Done(await act(self, form))
        except Problem as problem:
            query = {"storage": form.get("storage", ""), "ask": form.get("do", ""), "version": form.get("version", "")}
            wrong = {"wrong": problem.detail, "field": problem.more.get("field"), "values": form}
            if form.get("do") == "create":
                wrong["command"] = storage_dialogs.command(form)
            return Done({key: value for key, value in query.items() if value}, problem.status, wrong)

    async def _create(self, form: Query) -> Query:
        format = form.get("format", "")
        given = {key.partition(".")[2]: value for key, value in form.items() if key.startswith(f"{format}.")}
        schema = given.pop("schema", None)
        technology, name = form.get("technology", ""), form.get("name", "")
        labels = {option.name: option.label for option in OPTIONS.get(format, ())}
        made = await self._storages.create(
            technology, format, name, given, schema, signed("console"), lambda option: labels.get(option, option)
        )
        return {"storage": f"{form['technology']}/{made.storage}", "done": "created"}

    async def _switch(self, form: Query) -> Query:
        where, version = _place(form), form.get("version", "")
        await self._storages.switch(where, storage_words.whole(version))
        return {"storage": where.storage, "done": "switched"}

    async def _rollback(self, form: Query) -> Query:
        where = _place(form)
        await self._storages.rollback(where)
        return {"storage": where.storage, "done": "switched"}

    async def _delete(self, form: Query) -> Query:
        where, version = _place(form), form.get("version", "")
        if form.get("name") != where.name:
            raise Problem(422, "wrong-name", f"Type {where.name} to delete it; nothing was deleted.", field="name")
        if number := storage_words.whole(version):
            where = Place(*where.whole, number)
        await self._storages.delete(where, form.get("force") == "on")
        left = {"storage": where.storage} if where.version is not None else {}
        return {**left, "done": "deleted", "was": where.title}

    _acts: Mapping[str, Callable[[StoragesPage, Query], Awaitable[Query]]] = {
        "create": _create,
        "switch": _switch,
        "rollback": _rollback,
        "delete": _delete,
    }

    async def _row(self, chosen: StorageFigures, query: Query) -> dict[str, Any]:
        """The row that is asked for, or that of some key."""
        item, size, wrong = chosen.descriptor, _members(query), self._storages.away(chosen.descriptor)
        keys = [] if wrong else await self._storages.keys(item, KEYS)
        key = query.get("key") or (keys[0] if keys else "")
        value = None
        if key and not wrong:
            try:
                value = await self._storages.row(item, key, size)
            except Problem as problem:
                wrong = problem.detail
        return {
            "keys": keys,
            "key": key,
            "members": size,
            "words": None if value is None else storage_words.row(item.format, value),
            "wrong": wrong,
            "at": time.time(),
        }


def _place(form: Query) -> Place:
    where = parsed(form.get("storage", ""))
    return Place(*where.whole)


def _chosen(
    places: Mapping[tuple[str, str, str], Sequence[StorageFigures]], listed: Sequence[StorageFigures], query: Query
) -> StorageFigures | None:
    """The version that the query names, or what stands for its storage; the first of the list where it names none."""
    text = query.get("storage", "")
    if not text:
        return listed[0] if listed else None
    try:
        where = parsed(text)
    except Problem:
        return None
    every = places.get(where.whole)
    if not every:
        return None
    pinned = next((item for item in every if item.descriptor.version == where.version), None)
    return pinned or storage_words.shown(every)


def _order(item: StorageFigures) -> tuple[bool, bool, str, str, str]:
    """What somebody has declared comes first, and so the first of it is shown unless another is chosen."""
    return item.counts_experiments, not item.descriptor.topic, item.descriptor.topic, item.descriptor.name, item.title


def _lead(listed: Sequence[StorageFigures]) -> str:
    technologies = len({item.descriptor.technology for item in listed})
    sizes = [item.amount.bytes for item in listed if item.amount is not None and item.amount.bytes is not None]
    told = [
        f"{wording.plural(len(listed), 'storage')} in {wording.plural(technologies, 'technology', 'technologies')}",
        *([wording.size(sum(sizes))] if sizes and len(sizes) == len(listed) else []),
    ]
    return ", ".join(told)


def _members(query: Query) -> int:
    asked = storage_words.whole(query.get("members", ""))
    return min(500, asked) if asked else MEMBERS


def _told(query: Query, chosen: StorageFigures | None) -> dict[str, Any]:
    """What was done, in one sentence, as it is now."""
    done = query.get("done")
    text = ""
    if done == "created" and chosen is not None:
        text = f"Created {chosen.title}, empty. The first learner that declares the same writes it."
    if done == "switched" and chosen is not None and chosen.alias is not None:
        text = f"{chosen.descriptor.name} stands for @{chosen.alias.version} now."
    if done == "deleted":
        try:
            text = f"Deleted {parsed(query.get('was', '')).title}."
        except Problem:
            text = "It is deleted."
    return {"done": text, "status": text, "about_chosen": done != "deleted"} if text else {}

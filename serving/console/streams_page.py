"""What the Streams page shows: topics, dead letters by reason, one of them, who stands still; and what its forms do."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any

from schemas.errors import MillraceError
from serving.access.signing import signed
from serving.console import tail, wording
from serving.console.notes import away, stopped
from serving.console.page import Done, Page
from serving.measurements import Measurements
from serving.problem import Problem
from serving.refused import Refused
from serving.threads import Threads
from streams.dead_letters.groups import OTHERS
from streams.dead_letters.letter import Letter, hex_dump
from streams.dead_letters.replaying import Replayed, Wish
from streams.dead_letters.selection import Selection, positions

Query = Mapping[str, str]
NEWEST = 10_000
"""Dead letters of each topic that are counted by reason: the newest."""
AT_ONCE = 10_000
"""Letters that one click puts back at most."""
PATIENCE, LONGER = 5.0, 30.0
"""Seconds that the page waits for Kafka, as what it shows beside dead letters is measured already; and that it waits
where one letter is asked for, or a question, for which all of a topic's letters are read."""
SHOWN = 256
"""Bytes of a letter that are shown."""
_NAME, _COUNT = re.compile(r"[A-Za-z0-9._-]{1,249}"), re.compile(r"[0-9]{1,12}")
NOTHING: Mapping[str, Any] = {
    "may_change": False,
    "groups": (),
    "skipped": 0,
    "others": OTHERS,
    "letter": None,
    "unread": "",
    "dialog": None,
    "done": "",
    "wrong": "",
    "values": {},
    **tail.NOTHING,
}


@dataclass(frozen=True, slots=True)
class Dialog:
    """A question before something is done, `kind`: what will happen in `words`, to what `fields` say."""

    kind: str
    title: str
    words: Sequence[str]
    fields: Mapping[str, str]
    action: str


@dataclass(frozen=True, slots=True)
class Shown:
    """A letter as the page shows it."""

    letter: Letter
    refused: str
    key: str
    headers: Sequence[tuple[str, str]]
    decoded: str
    why_not: str
    dump: str
    more: int


def context(measurements: Measurements, query: Query) -> dict[str, Any]:
    """What is measured: values for streams.html, live."""
    flow = measurements.flow()
    note = None if flow is None else away(flow, {"kafka"}) or stopped(flow)
    status = note.status if note else ""
    return {**NOTHING, "flow": flow, "note": note, "status": status}


READ_ONLY = Page("streams", "Streams", "streams.html", context)
"""The page where dead letters cannot be looked at."""


class StreamsPage:
    """The page over dead letters that can be looked at and put back."""

    def __init__(self, refused: Refused, tails: tail.Tails | None = None) -> None:
        self._refused, self._tails, self._threads = refused, tails, Threads(4)

    def page(self) -> Page:
        """For the console."""
        return Page("streams", "Streams", "streams.html", self.context, prepare=self.prepare, act=self.act)

    def context(self, measurements: Measurements, query: Query) -> dict[str, Any]:
        """See `context`."""
        found = context(measurements, query) | {"may_change": True}
        return found | tail.context(self._tails, found["flow"], query)

    async def prepare(self, measurements: Measurements, query: Query) -> dict[str, Any]:
        """Dead letters by reason, the one that is asked for (`letter`), the dialog (`ask`), and the newest events of a
        topic (`tail`)."""
        found = await tail.prepared(self._tails, measurements, query)
        patience = LONGER if query.get("ask") or query.get("letter") else PATIENCE
        try:
            async with asyncio.timeout(patience):
                await self._read(query, found)
        except TimeoutError:
            found["unread"] = f"Kafka has not given all of it within {patience:g} s. Try: millrace dead-letters list."
        except MillraceError as error:
            found["unread"] = str(error)
        told = _told(query)
        return found | ({"done": told, "status": told} if told else {})

    async def _read(self, query: Query, found: dict[str, Any]) -> None:
        """Put into `found` what is asked for, one after the other."""
        counted = await self._threads.run(partial(self._refused.letters.counted, newest=NEWEST))
        found |= {"groups": counted.groups, "skipped": counted.skipped}
        if query.get("letter"):
            found["letter"] = await self._threads.run(partial(self._shown, query["letter"]))
        if query.get("ask") == "replay":
            found["dialog"] = await self._threads.run(partial(self._replaying, _wish(query)))
        elif query.get("ask") == "resume":
            found["dialog"] = await self._threads.run(partial(self._resuming, query.get("learner", "")))

    async def act(self, form: Query) -> Done:
        """Do what a form asks for, or show it again with what was wrong."""
        kind = form.get("do", "")
        try:
            if kind == "replay":
                done = await self._threads.run(partial(self._replayed, _wish(form), signed("console")))
            elif kind == "resume":
                done = await self._threads.run(partial(self._resumed, form.get("learner", ""), signed("console")))
            else:
                raise Problem(422, "no-such-form", "Nothing of this kind can be done here.")
        except Problem as problem:
            return Done({}, problem.status, {"wrong": problem.detail})
        except MillraceError as error:
            query = {name: form[name] for name in ("topic", "reason", "learner") if name in form}
            return Done({**query, "ask": kind}, 503 if error.passes else 422, {"wrong": str(error), "values": form})
        return Done(done)

    def _shown(self, title: str) -> Shown:
        topic, _, number = title.rpartition("@")
        places, numbers = positions([number])
        letter = self._refused.letters.find(topic, Selection(places=places, numbers=numbers))
        value, why_not = self._refused.letters.decoded(letter)
        payload, event = letter.event.value or b"", letter.event
        written = value if isinstance(value, str) else json.dumps(value, indent=2, default=str, ensure_ascii=False)
        return Shown(
            letter=letter,
            refused=datetime.fromtimestamp(letter.refused_ms / 1000, UTC).isoformat(),
            key="none" if event.key is None else _text(event.key),
            headers=[(name, "none" if value is None else _text(value)) for name, value in event.headers],
            decoded="" if why_not else written[:5_000],
            why_not=why_not,
            dump=hex_dump(payload[:SHOWN]),
            more=max(0, len(payload) - SHOWN),
        )

    def _replaying(self, wish: Wish) -> Dialog:
        found = self._refused.letters.replay(wish, "", dry_run=True)
        what = f"refused for “{wish.selection.reason}”" if wish.selection.reason else "that were refused"
        words = [
            f"{wording.plural(found.sent, 'event').capitalize()} {what} will be put back at the end of {wish.topic}: "
            "bytes, key and headers as they were. Every learner of the topic folds them again.",
            *_left_out(found),
        ]
        fields = {"topic": wish.topic, "reason": wish.selection.reason}
        action = f"Put back {wording.plural(found.sent, 'event')}" if found.sent else ""
        return Dialog("replay", f"Replay dead letters of {wish.topic}", words, fields, action)

    def _replayed(self, wish: Wish, by: str) -> Query:
        done = self._refused.letters.replay(wish, by)
        if done.failed:
            left = f"Put back are {wording.plural(done.sent, 'event')}, and {wording.count(done.failed)} are not"
            raise Problem(503, "not-put-back", f"{left}: {done.problem}")
        return {"done": "replayed", "name": wish.topic, "count": str(done.sent), "left": str(done.left)}

    def _resuming(self, learner: str) -> Dialog:
        mine = [stop for stop in self._refused.standing() if stop.reader == learner]
        where = ", ".join(f"{stop.topic}/{stop.partition}" for stop in mine)
        words = [
            f"{learner} goes on where it stands still: on {where}. Bad events that are in the log by now are passed "
            "over and kept as dead letters, and no more counted; it stops again where too many that come are bad."
            if mine
            else f"{learner or 'It'} stands still nowhere."
        ]
        action = f"Let {learner} go on" if mine else ""
        return Dialog("resume", f"Let {learner} go on", words, {"learner": learner}, action)

    def _resumed(self, learner: str, by: str) -> Query:
        ended = self._refused.go_on(learner, None, by)
        if not ended:
            raise Problem(422, "stands-nowhere", f"{learner[:100]} stands still nowhere.")
        return {"done": "resumed", "name": learner, "count": str(len(ended))}


def _wish(asked: Query) -> Wish:
    return Wish(asked.get("topic", ""), Selection(asked.get("reason", "")), limit=AT_ONCE)


def _told(query: Query) -> str:
    """What was done, in a sentence; empty where the query does not say so in our way."""
    name, count, left = query.get("name", ""), query.get("count", ""), query.get("left", "0")
    if not (_NAME.fullmatch(name) and _COUNT.fullmatch(count) and _COUNT.fullmatch(left)):
        return ""
    if query.get("done") == "resumed":
        return f"{name} goes on, on {wording.plural(int(count), 'partition')}."
    if query.get("done") != "replayed":
        return ""
    more = f" {wording.plural(int(left), 'more waits', 'more wait')}: replay once more." if int(left) else ""
    return f"Put {wording.plural(int(count), 'event')} back to {name}.{more}"


def _left_out(found: Replayed) -> list[str]:
    """What is not put back, and why."""
    told = {
        "put back before": found.before,
        "a replay that ended in between may have put them back (millrace dead-letters replay --unsure)": found.unsure,
        "lines of POST /events, never in the log: correct them and send them there again": found.never_logged,
        "late for a learner; in the log already, so that others would count them twice": found.late,
        "more than one click puts back": found.left,
    }
    return [f"Left out: {wording.count(count)} ({why})." for why, count in told.items() if count]


def _text(value: bytes) -> str:
    """Bytes as a person reads them."""
    return value[:500].decode("utf-8", "backslashreplace")

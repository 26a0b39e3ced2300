"""Asks a schema registry that speaks Confluent's HTTP API: ours, or another."""

from __future__ import annotations

import json
import threading
import weakref
from collections.abc import Callable
from typing import Any, TypeVar
from urllib.parse import quote

import httpx

from schemas.avro import Schema, of_text
from schemas.confluent import MEDIA_TYPE, MISSING
from schemas.errors import IncompatibleSchema, RegistryUnavailable, SchemaError, UnknownSchema
from schemas.event_type import EventType
from schemas.redaction import redacted
from schemas.version import Version

T = TypeVar("T")

_UNSAID = "it is not compatible with the versions before it"
"""For a registry that does not say why."""


class RegistryClient:
    """Registers event types under `<topic>-value` and looks schemas up. Calls block; any thread may call.

    Ids and schemas never change once they exist, so each is asked for once.
    """

    def __init__(self, url: str, timeout: float = 5.0) -> None:
        self._where = redacted(url)
        self._here = httpx.URL(url).host in ("127.0.0.1", "localhost")
        checked = not url.startswith("http://")  # to read all certificates takes longer than many a process has to do
        headers = {"content-type": MEDIA_TYPE}
        self._client = httpx.Client(base_url=url.rstrip("/"), timeout=timeout, headers=headers, verify=checked)
        self._lock = threading.Lock()
        self._schemas: dict[int, Schema] = {}
        self._ids: dict[tuple[str, str], int] = {}
        self._known: weakref.WeakKeyDictionary[EventType, int] = weakref.WeakKeyDictionary()

    def register(self, event_type: EventType, readers: bool = True) -> int:
        """The id of an event type's schema, registered if it was not.

        Args:
            readers: whether our registry refuses it where a reader cannot read it; others know no readers.

        Raises:
            IncompatibleSchema: the subject refuses it; the messages say what would break.
            RegistryUnavailable: the registry does not answer.
        """
        known = self.known(event_type)
        if known is not None:
            return known
        at = event_type.subject, event_type.text
        with self._lock:
            if at not in self._ids:
                self._ids[at] = self._register(event_type, readers)
            self._known[event_type] = self._ids[at]
            return self._ids[at]

    def known(self, event_type: EventType) -> int | None:
        """The id of an event type's schema where it was registered before; else None. Never blocks."""
        return self._known.get(event_type)

    def schema(self, schema_id: int) -> Schema:
        """The schema with this id.

        Raises:
            UnknownSchema: there is none.
            RegistryUnavailable: the registry does not answer.
        """
        found = self._schemas.get(schema_id)
        if found is None:
            text = self._ask("GET", f"/schemas/ids/{schema_id}", lambda answer: str(answer["schema"]))
            found = self._schemas[schema_id] = of_text(text)
        return found

    def subjects_of(self, schema_id: int) -> list[str]:
        """The subjects that a schema is registered under. Asks each time, as these change.

        Raises:
            UnknownSchema: there is no such schema.
            RegistryUnavailable: the registry does not answer.
        """
        return self._ask("GET", f"/schemas/ids/{schema_id}/versions", _subjects)

    def latest(self, subject: str) -> Version | None:
        """The newest version of a subject; None where there is none."""
        return self._version(subject, "latest")

    def subjects(self) -> list[str]:
        """All subjects, sorted."""
        return self._ask("GET", "/subjects", _names)

    def check(self, event_type: EventType, readers: bool = True) -> list[str]:
        """What registering an event type would break, one sentence each; nothing is registered.

        Args:
            readers: whether our registry counts those who read the topic now too.
        """
        place = f"/compatibility/subjects/{quote(event_type.subject, safe='')}/versions?verbose=true"
        place += "" if readers else "&readers=false"
        try:
            return self._ask("POST", place, _broken, {"schema": event_type.text})
        except UnknownSchema:
            return []  # some registries know no compatibility with a subject that does not exist

    def close(self) -> None:
        """Let go of the connections."""
        self._client.close()

    def _register(self, event_type: EventType, readers: bool) -> int:
        place = f"/subjects/{quote(event_type.subject, safe='')}/versions" + ("" if readers else "?readers=false")
        try:
            return self._ask("POST", place, lambda answer: int(answer["id"]), {"schema": event_type.text})
        except IncompatibleSchema as error:
            reasons = [reason for reason in self.check(event_type, readers) if reason != _UNSAID]
            raise IncompatibleSchema(event_type.subject, reasons or error.messages) from None

    def _version(self, subject: str, number: str) -> Version | None:
        try:
            return self._ask(
                "GET",
                f"/subjects/{quote(subject, safe='')}/versions/{number}",
                lambda found: Version(subject, int(found["version"]), int(found["id"]), str(found["schema"])),
            )
        except UnknownSchema:
            return None

    def _ask(self, method: str, place: str, take: Callable[[Any], T], body: dict[str, Any] | None = None) -> T:
        """Ask, and take what is wanted from the document that is answered."""
        try:
            answer = self._client.request(method, place, content=None if body is None else json.dumps(body))
        except httpx.HTTPError as error:
            why = f"{type(error).__name__}: {error}"
            start = " On this machine `millrace up` starts one." if self._here else ""
            raise RegistryUnavailable(
                f"The registry at {self._where} (registry_url) does not answer ({why}); is it running?{start}"
            ) from error
        try:
            document = answer.json()
            if answer.is_success:
                return take(document)
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
            document = None
        raise self._error(answer, document if isinstance(document, dict) else {}, place)

    def _error(self, answer: httpx.Response, document: dict[str, Any], place: str) -> SchemaError:
        """What an answer means. One that no registry gives is no verdict on a schema: events wait for a better one."""
        message, code = str(document.get("message", answer.text[:200])), document.get("error_code")
        if isinstance(code, int):
            if answer.status_code == 404 and code in MISSING:
                return UnknownSchema(message, MISSING[code])
            if answer.status_code == 409:
                return IncompatibleSchema(place.split("/")[2], [message])
            if answer.status_code == 422:
                return SchemaError(f"The schema registry refuses this: {message}")
        return RegistryUnavailable(f"What answers at {self._where} is no registry, or it failed: {answer} {message}")


def _names(answer: list[str]) -> list[str]:
    if not isinstance(answer, list):
        raise TypeError
    return sorted(map(str, answer))


def _subjects(answer: list[dict[str, Any]]) -> list[str]:
    return sorted({str(version["subject"]) for version in answer})


def _broken(answer: dict[str, Any]) -> list[str]:
    """What would break, one sentence each."""
    if answer["is_compatible"] is True:
        return []
    return [str(message) for message in answer.get("messages") or ()] or [_UNSAID]

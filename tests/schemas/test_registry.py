"""Registries over one log agree, keep what came first, and speak as Confluent's clients expect."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from schemas import (
    EventType,
    IncompatibleSchema,
    MemoryRecordLog,
    Registry,
    RegistryClient,
    RegistryUnavailable,
    SchemaError,
    UnknownSchema,
)
from schemas.compatibility import CompatibilityLevel


def record(*names: str, **defaults: Any) -> dict[str, Any]:
    fields: list[dict[str, Any]] = [{"name": name, "type": "string"} for name in names]
    return {
        "type": "record",
        "name": "R",
        "fields": fields + [{"name": name, "type": "string", "default": value} for name, value in defaults.items()],
    }


def text(*names: str, **defaults: Any) -> str:
    return json.dumps(record(*names, **defaults))


def test_the_same_schema_keeps_its_id_under_every_subject() -> None:
    registry = Registry(MemoryRecordLog())
    first = registry.register("a-value", text("x"))
    assert registry.register("a-value", json.dumps(record("x"), indent=2)) == first
    assert registry.register("b-value", text("x")) == first
    assert registry.register("a-value", text("x", y="")) == first + 1
    assert [version.version for version in registry.versions("a-value")] == [1, 2]
    assert registry.subjects() == ["a-value", "b-value"]


def test_a_breaking_change_is_refused_and_leaves_no_trace() -> None:
    log = MemoryRecordLog()
    registry = Registry(log)
    registry.register("a-value", text("x"))
    before = log.records()
    with pytest.raises(IncompatibleSchema, match="field y is not written and has no default"):
        registry.register("a-value", text("x", "y"))
    assert log.records() == before


def test_another_registry_over_the_same_log_knows_the_same() -> None:
    log = MemoryRecordLog()
    one, other = Registry(log), Registry(log)
    number = one.register("a-value", text("x"))
    one.set_level(CompatibilityLevel.NONE, "a-value")
    assert other.register("a-value", text("x")) == number
    assert other.lookup("a-value", text("x")).version == 1
    assert other.own_level("a-value") is CompatibilityLevel.NONE


def test_registries_that_register_at_once_never_give_one_id_to_two_schemas() -> None:
    log = MemoryRecordLog()
    registries = [Registry(log) for _ in range(4)]
    ids: dict[str, set[int]] = {}
    lock = threading.Lock()

    def work(registry: Registry, mine: int) -> None:
        for number in range(12):
            schema = text("x", **{f"f{number}": str(mine if number % 2 else 0)})
            registry.set_level(CompatibilityLevel.NONE)
            found = registry.register(f"s{number % 3}-value", schema)
            with lock:
                ids.setdefault(json.dumps(json.loads(schema), sort_keys=True), set()).add(found)

    threads = [threading.Thread(target=work, args=item) for item in zip(registries, range(4), strict=True)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(len(found) == 1 for found in ids.values())
    assert len({next(iter(found)) for found in ids.values()}) == len(ids)
    fresh = Registry(log)
    for schema, (number,) in ids.items():
        assert json.loads(fresh.schema(number)) == json.loads(schema)


class Compacted(MemoryRecordLog):
    """What is left after compaction: of each key the last record, at its place."""

    def __init__(self, log: MemoryRecordLog) -> None:
        super().__init__()
        last = {key: place for place, (key, _) in enumerate(log.records())}
        for place, (key, value) in enumerate(log.records()):
            if last[key] == place:
                self.append(key, value)


def test_compaction_changes_nothing() -> None:
    log = MemoryRecordLog()
    registry = Registry(log)
    for number in range(4):
        registry.register("a-value", text("x", **{f"f{number}": ""}))
    registry.delete("a-value", 2)
    registry.set_level(CompatibilityLevel.FULL, "a-value")
    again = Registry(Compacted(log))
    assert again.versions("a-value") == registry.versions("a-value")
    assert again.own_level("a-value") is CompatibilityLevel.FULL
    assert again.schema(2) == registry.schema(2)


def test_a_deleted_version_is_hidden_but_its_id_stays_readable() -> None:
    registry = Registry(MemoryRecordLog())
    number = registry.register("a-value", text("x"))
    assert registry.delete("a-value") == [1]
    assert registry.subjects() == []
    with pytest.raises(UnknownSchema):
        registry.lookup("a-value", text("x"))
    assert registry.schema(number)
    assert registry.register("a-value", text("x")) == number
    assert [version.version for version in registry.versions("a-value")] == [2]


def test_records_that_are_not_ours_are_left_alone() -> None:
    log = MemoryRecordLog()
    log.append(b"not json", b"x")
    log.append(b"[1]", b"{}")
    log.append(b'{"keytype":"NOOP","magic":0}', None)
    log.append(b"1", None)
    log.append(b"[" * 100_000, None)
    log.append(b'{"keytype":"SCHEMA","subject":"p","version":1}', b"[1]")
    log.append(b'{"keytype":"SCHEMA","subject":"p","version":Infinity}', b"{}")
    log.append(b'{"keytype":"CONFIG","subject":["p"]}', b'{"compatibilityLevel":"NONE"}')
    log.append(
        b'{"keytype":"SCHEMA","subject":"p","version":1,"magic":1}', b'{"schemaType":"PROTOBUF","id":1,"schema":"x"}'
    )
    registry = Registry(log)
    assert registry.subjects() == []
    registry.register("a-value", text("x"))
    assert registry.subjects() == ["a-value"]


ANSWERS = {
    "login": (401, "text/html", "<html>Who are you?</html>"),
    "coded-login": (401, "application/json", '{"error_code":40101,"message":"Who are you?"}'),
    "moved": (302, "text/html", ""),
    "page-not-found": (404, "text/html", "<html>Nothing here</html>"),
    "json-not-found": (404, "application/json", '{"detail":"Not Found"}'),
    "other-code": (404, "application/json", '{"error_code":404,"message":"HTTP 404 Not Found"}'),
    "odd-code": (404, "application/json", '{"error_code":[40401]}'),
    "forbidden": (403, "text/html", "<html>Not for you</html>"),
    "refused-page": (422, "text/html", "<html>No</html>"),
    "conflict-page": (409, "text/html", "<html>Conflict</html>"),
    "welcome": (200, "text/html", "<html>Welcome</html>"),
    "other-json": (200, "application/json", '{"status":"ok"}'),
    "null": (200, "application/json", "null"),
    "list": (200, "application/json", "[[]]"),
    "failing": (500, "application/json", '{"error_code":50001,"message":"store"}'),
    "busy": (429, "text/plain", "later"),
}


class WrongServer(BaseHTTPRequestHandler):
    """Answers every request under `/name` as `ANSWERS` says."""

    def do_GET(self) -> None:
        self.rfile.read(int(self.headers.get("content-length", 0)))
        status, kind, body = ANSWERS[self.path.split("/")[1]]
        self.send_response(status)
        self.send_header("content-type", kind)
        self.send_header("location", "/login")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body.encode())

    do_POST = do_GET

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture(scope="module")
def wrong_server() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), WrongServer) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("name", ANSWERS)
def test_an_answer_that_no_registry_gives_is_no_verdict_on_a_schema(wrong_server: str, name: str) -> None:
    client = RegistryClient(f"{wrong_server}/{name}")
    clicks = EventType("clicks", record("user"))
    for ask in (
        lambda: client.check(clicks),
        lambda: client.register(clicks),
        lambda: client.schema(1),
        lambda: client.latest("clicks-value"),
    ):
        with pytest.raises(RegistryUnavailable):
            ask()
    if name != "list":
        with pytest.raises(RegistryUnavailable):
            client.subjects()
    client.close()


def test_a_schema_text_that_is_no_schema_is_a_schema_error() -> None:
    with pytest.raises(SchemaError):
        Registry(MemoryRecordLog()).register("a", "nonsense")

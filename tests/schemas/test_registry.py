"""Registries over one log agree, keep what came first, and speak as Confluent's clients expect."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import pytest
import uvicorn

from schemas import (
    EventType,
    IncompatibleSchema,
    MemoryRecordLog,
    Registry,
    RegistryClient,
    RegistryUnavailable,
    SchemaError,
    UnknownSchema,
    registry_app,
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


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    server = uvicorn.Server(
        uvicorn.Config(registry_app(Registry(MemoryRecordLog())), port=0, log_level="warning", ws="none")
    )
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        assert thread.is_alive()
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = True
    thread.join()


@pytest.fixture
def http(address: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=address) as client:
        yield client


@pytest.fixture
def client(address: str) -> Iterator[RegistryClient]:
    client = RegistryClient(address)
    yield client
    client.close()


def test_a_client_registers_and_finds_schemas_again(client: RegistryClient) -> None:
    event_type = EventType("clicks", record("user"))
    number = client.register(event_type)
    assert client.register(EventType("clicks", record("user"))) == number
    assert client.schema(number) == event_type.schema
    latest = client.latest("clicks-value")
    assert latest is not None
    assert (latest.version, latest.id) == (1, number)
    assert client.latest("nothing-value") is None
    assert "clicks-value" in client.subjects()


def test_a_client_hears_what_a_change_would_break(client: RegistryClient) -> None:
    client.register(EventType("views", record("user")))
    broken = EventType("views", record("user", "at"))
    assert client.check(broken) == [
        "the new schema cannot read earlier events: field at is not written and has no default"
    ]
    with pytest.raises(IncompatibleSchema, match="field at is not written"):
        client.register(broken)
    assert client.check(EventType("views", record("user", at=""))) == []
    assert client.check(EventType("never-seen", record("user"))) == []


def test_an_unknown_id_and_an_absent_registry_are_told_apart(client: RegistryClient) -> None:
    with pytest.raises(UnknownSchema):
        client.schema(99_999)
    with pytest.raises(RegistryUnavailable, match=r"\(registry_url\) does not answer .* is it running"):
        RegistryClient("http://127.0.0.1:1").subjects()


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


def test_a_registrys_refusal_is_a_verdict(client: RegistryClient) -> None:
    with pytest.raises(UnknownSchema) as unknown:
        client.schema(99_999)
    assert unknown.value.missing == "schema"
    client.register(EventType("verdicts", record("user")))
    with pytest.raises(IncompatibleSchema):
        client.register(EventType("verdicts", record("user", "at")))


def test_what_is_missing_does_not_depend_on_the_subjects_name(http: httpx.Client) -> None:
    subject = "/subjects/schema-version-changes-value"
    assert http.get(f"{subject}/versions").json()["error_code"] == 40401
    http.post(f"{subject}/versions", json={"schema": text("x")}).raise_for_status()
    assert http.get(f"{subject}/versions/7").json()["error_code"] == 40402
    assert http.post(subject, json={"schema": text("y")}).json()["error_code"] == 40403


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "code"),
    [
        ("GET", "/subjects/nothing/versions", None, 404, 40401),
        ("GET", "/subjects/nothing/versions/1", None, 404, 40401),
        ("GET", "/subjects/known/versions/7", None, 404, 40402),
        ("GET", "/subjects/known/versions/x", None, 422, 42202),
        ("GET", "/schemas/ids/99999", None, 404, 40403),
        ("GET", "/config/nothing", None, 404, 40408),
        ("PUT", "/config", {"compatibility": "SOMETIMES"}, 422, 42203),
        ("POST", "/subjects/known/versions", {"schema": "{"}, 422, 42201),
        ("POST", "/subjects/known/versions", {"schema": '{"type":"nothing"}'}, 422, 42201),
        ("POST", "/subjects/known/versions", {}, 422, 42201),
        ("POST", "/subjects/known/versions", {"schema": "x", "schemaType": "JSON"}, 422, 42201),
        ("POST", "/subjects/known/versions", [], 422, 42200),
        ("POST", "/subjects/known", {"schema": '"string"'}, 404, 40403),
        ("POST", "/subjects/known/versions", {"schema": text("x", "y")}, 409, 409),
        ("GET", "/nowhere", None, 404, 404),
    ],
)
def test_errors_have_confluents_codes(
    http: httpx.Client, method: str, path: str, body: object, status: int, code: int
) -> None:
    http.post("/subjects/known/versions", json={"schema": text("x")}).raise_for_status()
    answer = http.request(method, path, json=body)
    assert (answer.status_code, answer.json()["error_code"]) == (status, code), answer.text
    assert answer.json()["message"]


def test_a_body_that_is_too_large_or_too_deep_is_refused(http: httpx.Client) -> None:
    assert http.post("/subjects/a/versions", content=b"x" * 3_000_000).status_code == 413
    deep = '{"type":"array","items":' * 300 + '"null"' + "}" * 300
    assert http.post("/subjects/a/versions", json={"schema": deep}).status_code == 422


def test_levels_are_set_for_one_subject_or_for_all(http: httpx.Client) -> None:
    assert http.get("/config").json() == {"compatibilityLevel": "BACKWARD"}
    assert http.put("/config/m", json={"compatibility": "NONE"}).json() == {"compatibility": "NONE"}
    assert http.get("/config/m").json() == {"compatibilityLevel": "NONE"}
    http.post("/subjects/m/versions", json={"schema": text("x")}).raise_for_status()
    http.post("/subjects/m/versions", json={"schema": text("y")}).raise_for_status()
    assert http.get("/subjects/m/versions").json() == [1, 2]
    assert http.delete("/config/m").json() == {"compatibilityLevel": "NONE"}
    assert http.post("/subjects/m/versions", json={"schema": text("z")}).status_code == 409
    assert http.get("/schemas/types").json() == ["AVRO"]


def test_a_schema_text_that_is_no_schema_is_a_schema_error() -> None:
    with pytest.raises(SchemaError):
        Registry(MemoryRecordLog()).register("a", "nonsense")

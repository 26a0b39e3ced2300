"""What Confluent's clients expect of a registry, asked of ours and of Apicurio Registry."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn

from millrace.stack.errors import StackError
from schemas import (
    EventType,
    IncompatibleSchema,
    MemoryRecordLog,
    Registry,
    RegistryClient,
    RegistryUnavailable,
    UnknownSchema,
    registry_app,
)
from schemas.compatibility import CompatibilityLevel
from schemas.registry_keeper import RegistryKeeper
from tests.conftest import unavailable
from tests.schemas.apicurio import apicurio


def record(*names: str, **defaults: Any) -> dict[str, Any]:
    fields: list[dict[str, Any]] = [{"name": name, "type": "string"} for name in names]
    return {
        "type": "record",
        "name": "R",
        "fields": fields + [{"name": name, "type": "string", "default": value} for name, value in defaults.items()],
    }


def text(*names: str, **defaults: Any) -> str:
    return json.dumps(record(*names, **defaults))


@contextmanager
def ours() -> Iterator[str]:
    """Our registry's address."""
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


@pytest.fixture(scope="module", params=["ours", pytest.param("apicurio", marks=pytest.mark.server)])
def registry(request: pytest.FixtureRequest) -> str:
    """Which registry is asked."""
    return str(request.param)


@pytest.fixture(scope="module")
def address(registry: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Its address; nothing but these tests has registered there."""
    if registry == "ours":
        with ours() as url:
            yield url
        return
    try:
        with apicurio(tmp_path_factory.mktemp("apicurio") / "log") as url:
            level = {"compatibility": "BACKWARD"}  # Confluent's default and ours; Apicurio's own is to demand nothing
            httpx.put(f"{url}/config", json=level, trust_env=False).raise_for_status()
            yield url
    except StackError as error:
        unavailable(error)


@pytest.fixture
def http(address: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=address, timeout=60, trust_env=False) as client:
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


def test_the_newest_version_of_every_subject_is_found_in_one_look(address: str) -> None:
    with closing(RegistryKeeper(address)) as keeper:
        for names in ({}, {"at": ""}):
            keeper.register(EventType("looks", record("user", **names)))
        keeper.register(EventType("finds", record("user")))
        found = {one.subject: one.version for one in keeper.newest()}
        assert (found["looks-value"], found["finds-value"]) == (2, 1)
        assert sorted(found) == keeper.subjects()


def test_a_client_hears_that_a_change_would_break_something(client: RegistryClient) -> None:
    client.register(EventType("views", record("user")))
    broken = EventType("views", record("user", "at"))
    assert client.check(broken)
    with pytest.raises(IncompatibleSchema, match=r"\bat\b") as refused:
        client.register(broken)
    assert len(refused.value.messages) == 1
    assert client.check(EventType("views", record("user", at=""))) == []
    assert client.check(EventType("never-seen", record("user"))) == []


def test_an_unknown_id_and_an_absent_registry_are_told_apart(client: RegistryClient) -> None:
    with pytest.raises(UnknownSchema):
        client.schema(99_999)
    with pytest.raises(RegistryUnavailable, match=r"\(registry_url\) does not answer .* is it running"):
        RegistryClient("http://127.0.0.1:1").subjects()


def test_what_starts_a_registry_is_said_where_it_is_to_be_on_this_machine() -> None:
    with pytest.raises(RegistryUnavailable, match="`millrace up` starts one"):
        RegistryClient("http://127.0.0.1:1").subjects()
    with pytest.raises(RegistryUnavailable, match=r"is it running\?$"):
        RegistryClient("http://registry.invalid:1").subjects()


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


ERRORS: list[tuple[str, str, Any, int, int]] = [
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
]
OF_APICURIO: dict[tuple[str, str, str], tuple[int, int | None]] = {
    ("GET", "/subjects/known/versions/x", "null"): (404, 40402),
    ("GET", "/config/nothing", "null"): (404, 40401),
    ("POST", "/subjects/known/versions", "{}"): (500, 0),
    ("POST", "/subjects/known/versions", "[]"): (400, None),
    ("GET", "/nowhere", "null"): (404, None),
}
"""Where Apicurio answers otherwise than Confluent's registry: status and code; None = no code."""


@pytest.mark.parametrize(("method", "path", "body", "status", "code"), ERRORS)
def test_errors_have_confluents_codes(
    http: httpx.Client, registry: str, method: str, path: str, body: Any, status: int, code: int
) -> None:
    http.post("/subjects/known/versions", json={"schema": text("x")}).raise_for_status()
    answer = http.request(method, path, json=body)
    due: tuple[int, int | None] = status, code
    if registry == "apicurio":
        due = OF_APICURIO.get((method, path, json.dumps(body)), due)
    assert answer.status_code == due[0], answer.text
    if due[1] is not None:
        assert answer.json()["error_code"] == due[1]
        assert answer.json()["message"]


@pytest.mark.parametrize("registry", ["ours"], indirect=True)  # Apicurio has no such limits
def test_a_body_that_is_too_large_or_too_deep_is_refused(http: httpx.Client) -> None:
    assert http.post("/subjects/a/versions", content=b"x" * 3_000_000).status_code == 413
    deep = '{"type":"array","items":' * 300 + '"null"' + "}" * 300
    assert http.post("/subjects/a/versions", json={"schema": deep}).status_code == 422


AFTER_DELETE = {"ours": 409, "apicurio": 200}
"""Where the level of a subject was deleted, Apicurio goes on as if it were still set, which Confluent's does not."""


def test_levels_are_set_for_one_subject_or_for_all(http: httpx.Client, registry: str) -> None:
    assert http.get("/config").json() == {"compatibilityLevel": "BACKWARD"}
    assert http.put("/config/m", json={"compatibility": "NONE"}).json()["compatibility"] == "NONE"
    assert http.get("/config/m").json() == {"compatibilityLevel": "NONE"}
    http.post("/subjects/m/versions", json={"schema": text("x")}).raise_for_status()
    http.post("/subjects/m/versions", json={"schema": text("y")}).raise_for_status()
    assert http.get("/subjects/m/versions").json() == [1, 2]
    assert http.delete("/config/m").json() == {"compatibilityLevel": "NONE"}
    assert http.post("/subjects/m/versions", json={"schema": text("z")}).status_code == AFTER_DELETE[registry]
    assert "AVRO" in http.get("/schemas/types").json()


def test_it_says_where_a_schema_is_registered(http: httpx.Client, client: RegistryClient) -> None:
    schema = {"schema": text("placed")}
    [number] = {http.post(f"/subjects/{name}/versions", json=schema).json()["id"] for name in ("one", "two")}
    assert sorted(http.get(f"/schemas/ids/{number}/subjects").json()) == ["one", "two"]
    versions = http.get(f"/schemas/ids/{number}/versions").json()
    assert sorted(versions, key=str) == [{"subject": "one", "version": 1}, {"subject": "two", "version": 1}]
    assert http.get("/schemas/ids/99999/versions").json()["error_code"] == 40403
    assert client.subjects_of(number) == ["one", "two"]
    with pytest.raises(UnknownSchema):
        client.subjects_of(99_999)


CASES = json.loads((Path(__file__).parents[1] / "vectors" / "compatibility.json").read_text("utf-8"))["cases"]
ASKED = int(os.environ.get("MILLRACE_VERDICTS", "30"))
"""So many of each level's cases, evenly chosen, is Apicurio asked about: it takes its time. `make faults` asks all."""
WRONG_DEFAULT = "pair/karapace_unit/schemaregistry_basic_backwards_compatibility/144"
CROSSED = "pair/ruby/crossed_aliases"
DISPUTED = {
    "ours": dict.fromkeys([f"{WRONG_DEFAULT}/BACKWARD", f"{WRONG_DEFAULT}/FORWARD"], 422),
    "apicurio": dict.fromkeys(
        [f"{case}/{level}" for case in (WRONG_DEFAULT, CROSSED) for level in ("BACKWARD", "FORWARD", "FULL")], 422
    ),
}
"""Where a registry answers otherwise than published, and with which status: an enum whose default is not among its
symbols is no schema to Java either, nor are, to Apicurio, two fields that are aliases of one another."""
PARALLEL = 4


@pytest.mark.parametrize("level", CompatibilityLevel)
def test_changes_are_judged_as_published_at_each_level(
    http: httpx.Client, registry: str, level: CompatibilityLevel
) -> None:
    cases = [case for case in CASES if case["mode"] == level.value]
    if registry == "apicurio":
        cases = cases[:: -(-len(cases) // ASKED)]
    due = {case["name"]: 200 if case["compatible"] else 409 for case in cases}
    due |= {name: status for name, status in DISPUTED[registry].items() if name in due}
    with ThreadPoolExecutor(PARALLEL) as threads, at_level(http, CompatibilityLevel.NONE):
        before = dict(zip(due, threads.map(partial(write_earlier, http), cases), strict=True))
        http.put("/config", json={"compatibility": level.value}).raise_for_status()
        answers = dict(zip(due, threads.map(partial(write_new, http), cases), strict=True))
    answers |= {name: status for name, status in before.items() if status != 200}
    assert {name: status for name, status in answers.items() if status != due[name]} == {}
    assert len(answers) == len(cases) > 0


@contextmanager
def at_level(http: httpx.Client, level: CompatibilityLevel) -> Iterator[None]:
    """Subjects without a level of their own demand this."""
    before = http.get("/config").raise_for_status().json()["compatibilityLevel"]
    http.put("/config", json={"compatibility": level.value}).raise_for_status()
    try:
        yield
    finally:
        http.put("/config", json={"compatibility": before}).raise_for_status()


def write_earlier(http: httpx.Client, case: dict[str, Any]) -> int:
    """Register a case's earlier schemas; the worst status."""
    worst = max([post(http, case, schema) for schema in case["old_schemas"]])
    for number in case.get("deleted_versions", ()):
        http.delete(f"/subjects/{subject_of(case)}/versions/{number}").raise_for_status()
    return worst


def write_new(http: httpx.Client, case: dict[str, Any]) -> int:
    """The status with which a case's new schema is registered."""
    return post(http, case, case["new_schema"])


def post(http: httpx.Client, case: dict[str, Any], schema: Any) -> int:
    return http.post(f"/subjects/{subject_of(case)}/versions", json={"schema": json.dumps(schema)}).status_code


def subject_of(case: dict[str, Any]) -> str:
    return str(case["name"]).replace("/", ".")

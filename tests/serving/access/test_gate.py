"""Who may ask what: each address by scope, keys that come and go, what browsers send, rates."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import AsyncIterator
from datetime import timedelta
from itertools import product
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.routing import BaseRoute, Mount, Route

from serving.access import Access
from serving.access.rules import ADMIN, ANSWER, ANY, EMIT, opens
from serving.errors import KeysBroken
from tests.serving.access.keyed import HTML, Keyed, logged_in
from tests.serving.shop import Shop

USER = {"user": "u1"}
CLICK = {"user": "u1", "item": "a", "at": "2026-11-24T12:00:00Z"}
STORAGE = "/storages/memory/counters/visits"
SCOPES = {"answers": "answer", "emits": "emit", "deploys": "deploy", "console": "admin"}
OPEN_TO: list[tuple[str, str, set[str]]] = [
    ("POST", "/v1/recommend", {"answers", "console"}),
    ("POST", "/v1/recommend/newest", {"answers", "console"}),
    ("POST", "/events/clicks", {"emits", "console"}),
    ("GET", "/v1", set(SCOPES)),
    ("GET", "/v1/experiments", set(SCOPES)),
    ("GET", "/v1/decisions", set(SCOPES)),
    ("GET", "/openapi.json", set(SCOPES)),
    ("GET", "/asyncapi.json", set(SCOPES)),
    ("GET", "/metrics", set(SCOPES)),
    ("GET", "/docs", set(SCOPES)),
    ("HEAD", "/v1", set(SCOPES)),
    ("GET", "/v1/deployments", {"deploys", "console"}),
    ("PUT", "/v1/deployments/shop", {"deploys", "console"}),
    ("DELETE", "/v1/deployments/shop", {"deploys", "console"}),
    ("POST", "/v1/deployments_of_mine", {"answers", "console"}),
    ("POST", "/v1/experiments_of_mine/newest", {"answers", "console"}),
    ("PUT", "/v1/experiments/first", {"console"}),
    ("POST", "/v1/experiments/first/stop", {"console"}),
    ("DELETE", "/v1/recommend", {"console"}),
    ("GET", "/storages", {"console"}),
    ("GET", STORAGE, {"console"}),
    ("GET", f"{STORAGE}/rows/all", {"console"}),
    ("PUT", STORAGE, {"console"}),
    ("POST", f"{STORAGE}/switch", {"console"}),
    ("POST", f"{STORAGE}/rollback", {"console"}),
    ("DELETE", STORAGE, {"console"}),
    ("GET", "/console/flow", {"console"}),
    ("GET", "/console/storages", {"console"}),
    ("POST", "/console/storages", {"console"}),
    ("GET", "/", {"console"}),
    ("OPTIONS", "/v1/recommend", {"console"}),
    ("GET", "/no-such-address", {"console"}),
]


@pytest.fixture
def keyed(tmp_path: Path) -> Keyed:
    return Keyed(tmp_path, **SCOPES)


@pytest.fixture
async def client(keyed: Keyed) -> AsyncIterator[httpx.AsyncClient]:
    async with keyed.running() as client:
        yield client


def body(path: str) -> dict[str, Any]:
    return {"json": USER if path.startswith("/v1") else CLICK if path.startswith("/events") else {}}


async def test_an_address_is_open_to_the_keys_that_are_for_it_and_to_no_other(
    keyed: Keyed, client: httpx.AsyncClient
) -> None:
    for method, path, names in OPEN_TO:
        nobody = await client.request(method, path, **body(path))
        assert nobody.status_code == 401, (method, path)
        assert nobody.headers["www-authenticate"] == 'Bearer realm="millrace"'
        for name in SCOPES:
            answer = await client.request(method, path, **body(path), headers=keyed.bearer(name))
            if name in names:
                assert answer.status_code not in (401, 403), (method, path, name, answer.text)
                continue
            assert answer.status_code == 403, (method, path, name)
            assert 'error="insufficient_scope"' in answer.headers["www-authenticate"]
            if method != "HEAD":
                assert answer.json()["type"] == "urn:millrace:problem:insufficient-scope"
                assert f"The key {name} may" in answer.json()["detail"]


async def test_what_says_nothing_is_open_to_everybody(client: httpx.AsyncClient) -> None:
    for path in ("/healthz", "/readyz", "/console/login", "/console/static/console.css"):
        assert (await client.get(path)).status_code == 200


async def test_every_address_that_is_served_needs_a_key_but_those_that_say_nothing(keyed: Keyed) -> None:
    """A route that is added is closed until `rules.py` says otherwise."""
    routes: list[BaseRoute] = list(keyed.service.app().routes)
    free = set[str]()
    while routes:
        route = routes.pop()
        if isinstance(route, Mount):
            routes += [_below(route.path, inner) for inner in route.routes]
            continue
        assert isinstance(route, Route)
        for method in route.methods or ():
            path = re.sub(r"\{[a-z_]+(:path)?\}", "x", route.path)
            free |= {f"{method} {path}"} if opens(method, path) is None else set()
    assert free == {
        *(f"{method} {path}" for method in ("GET", "HEAD") for path in ("/healthz", "/readyz", "/console/login")),
        "POST /console/login",
    }


async def test_no_spelling_of_an_address_opens_what_is_closed(keyed: Keyed) -> None:
    """As the router gets it: decoded, with whatever was in it. Static files are found or not, and nothing else."""
    app = keyed.service.app()
    parts = ["", ".", "..", "v1", "healthz", "console", "static", "login", "storages", "docs", "metrics", "x;", "\x00"]
    open_to_all = {"/healthz", "/readyz", "/console/login"}
    opened = set[str]()
    for names in (names for count in (1, 2, 3) for names in product(parts, repeat=count)):
        path = "/" + "/".join(names)
        for method in ("GET", "POST"):
            status = await _status(app, method, path)
            if status != 401:
                opened.add(path)
                static = path.startswith("/console/static/") and method == "GET" and status in (404, 405)
                assert static or path in open_to_all, (method, path, status)
    assert "/healthz" in opened


async def _status(app: Any, method: str, path: str) -> int:
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    scope = {"type": "http", "method": method, "path": path, "query_string": b"", "headers": [(b"host", b"shop")]}
    await app(
        {**scope, "root_path": "", "http_version": "1.1", "server": ("shop", 80), "scheme": "http"}, receive, send
    )
    return int(sent[0]["status"])


def _below(path: str, route: BaseRoute) -> BaseRoute:
    if isinstance(route, Route):
        return Route(path + route.path, route.endpoint, methods=list(route.methods or ()))
    assert isinstance(route, Mount)
    return Mount(path + route.path, route.app)


async def test_who_is_turned_away_is_counted(keyed: Keyed, client: httpx.AsyncClient) -> None:
    await client.get("/v1")
    await client.get("/v1", headers={"authorization": "Bearer mk_"})
    await client.get("/storages", headers=keyed.bearer("emits"))
    text = (await client.get("/metrics", headers=keyed.bearer("emits"))).text
    for kind in ("no-key", "unknown-key", "insufficient-scope"):
        assert f'millrace_turned_away_total{{problem="{kind}"}} 1' in text


def test_what_is_not_named_needs_admin_however_it_is_written() -> None:
    for path in ("/Healthz", "/healthz/", "//healthz", "/healthz/x", "/v1x", "/v1x/y", "/events", "/metrics/", ""):
        assert opens("GET", path) == ADMIN, path
    assert opens("TRACE", "/healthz") == ADMIN
    assert opens("POST", "/metrics") == ADMIN
    assert (opens("POST", "/v1/a"), opens("POST", "/events/a"), opens("GET", "/v1")) == (ANSWER, EMIT, ANY)


async def test_what_is_no_key_of_ours_opens_nothing(client: httpx.AsyncClient) -> None:
    unknown = b"Bearer mk_000000000000_" + b"A" * 43
    odd = (b"Bearer ", b"Bearer mk_", b"Bearer " + b"x" * 5000, b"Bearer \xff\xfe", b"Basic dXNlcjpwYXNz", b"")
    for header in (unknown, unknown.removeprefix(b"Bearer "), *odd):
        answer = await client.post("/v1/recommend", json=USER, headers=[(b"authorization", header)])
        assert answer.status_code == 401, header
        assert answer.headers["content-type"] == "application/problem+json"


async def test_a_secret_with_one_letter_changed_or_one_more_is_nobodys(keyed: Keyed, client: httpx.AsyncClient) -> None:
    secret = keyed.secrets["answers"]
    for wrong in (secret[:-1], secret + "A", secret[:-1] + ("A" if secret[-1] != "A" else "B"), "xx" + secret[2:]):
        answer = await client.post("/v1/recommend", json=USER, headers={"authorization": f"Bearer {wrong}"})
        assert (answer.status_code, answer.json()["type"]) == (401, "urn:millrace:problem:unknown-key")
        assert wrong not in answer.text


async def test_a_key_is_good_until_it_expires(tmp_path: Path) -> None:
    keyed = Keyed(tmp_path)
    keyed.make("shop", "answer", expires=timedelta(days=90))
    await keyed.access.look()
    async with keyed.running() as client:
        keyed.now += timedelta(days=89)
        assert (await client.get("/v1", headers=keyed.bearer("shop"))).status_code == 200
        keyed.now += timedelta(days=1)
        assert (await client.get("/v1", headers=keyed.bearer("shop"))).status_code == 401


async def test_keys_are_rotated_and_revoked_while_the_service_runs(keyed: Keyed, client: httpx.AsyncClient) -> None:
    before = keyed.bearer("answers")
    keyed.rotate("answers", timedelta(hours=1))
    await keyed.access.look()
    for headers in (before, keyed.bearer("answers")):
        assert (await client.get("/v1", headers=headers)).status_code == 200
    keyed.now += timedelta(hours=1)
    assert (await client.get("/v1", headers=before)).status_code == 401
    assert (await client.get("/v1", headers=keyed.bearer("answers"))).status_code == 200
    keyed.revoke("answers")
    await keyed.access.look()
    assert (await client.get("/v1", headers=keyed.bearer("answers"))).status_code == 401
    assert (await client.get("/v1", headers=keyed.bearer("emits"))).status_code == 200


async def test_what_is_remembered_of_a_key_opens_no_more_and_no_longer_than_the_key(tmp_path: Path) -> None:
    keyed = Keyed(tmp_path, other="answer")
    keyed.make("shop", "answer", expires=timedelta(days=90))
    await keyed.access.look()

    async with keyed.running() as client:

        async def asked(name: str, path: str = "/v1/recommend") -> int:
            return (await client.post(path, json=USER, headers=keyed.bearer(name))).status_code

        for name in ("shop", "other"):
            assert [await asked(name) for _ in range(3)] == [200] * 3
        assert await asked("shop", "/events/clicks") == 403
        keyed.now += timedelta(days=90)
        assert (await asked("shop"), await asked("other")) == (401, 200)
        keyed.revoke("other")
        await keyed.access.look()
        assert await asked("other") == 401


async def test_one_key_spelt_in_many_ways_is_remembered_once(keyed: Keyed) -> None:
    secret = keyed.secrets["answers"].encode()
    for spaces in range(100):
        assert keyed.access.of_header(b"bEaReR " + b" " * spaces + secret) is not None
    assert keyed.access.of_header(b"Bearer " + secret) is keyed.access.seen(b"Bearer " + secret)
    assert keyed.access.seen(b"bEaReR " + secret) is None


async def test_the_running_service_looks_for_changed_keys_by_itself(keyed: Keyed, client: httpx.AsyncClient) -> None:
    keyed.make("late", "answer")
    async with asyncio.timeout(30):
        while (await client.get("/v1", headers=keyed.bearer("late"))).status_code != 200:
            await asyncio.sleep(0.05)


@pytest.mark.parametrize("harm", ["broken", "gone", "writable"])
async def test_a_file_that_was_harmed_changes_nothing_and_is_told_of_loudly(
    keyed: Keyed, harm: str, caplog: pytest.LogCaptureFixture
) -> None:
    path = keyed.file.path
    whole = path.read_bytes()
    if harm == "broken":
        path.write_bytes(whole[: len(whole) // 2])
    elif harm == "gone":
        path.unlink()
    else:
        path.chmod(0o666)
    with caplog.at_level(logging.ERROR):
        await keyed.access.look()
        await keyed.access.look()
    assert [str(path) in record.message for record in caplog.records] == [True]
    assert keyed.access.keyed
    assert keyed.access.caller(keyed.secrets["answers"].encode()) is not None
    path.write_bytes(whole)
    path.chmod(0o600)
    keyed.revoke("emits")
    await keyed.access.look()
    assert keyed.access.caller(keyed.secrets["emits"].encode()) is None


def test_no_service_starts_with_a_file_that_cannot_be_used(keyed: Keyed) -> None:
    keyed.file.path.write_text("{")
    with pytest.raises(KeysBroken):
        Access(keyed.file)


async def test_the_last_key_revoked_opens_nothing(tmp_path: Path) -> None:
    keyed = Keyed(tmp_path, only="admin")
    keyed.revoke("only")
    await keyed.access.look()
    assert keyed.access.keyed
    assert keyed.access.caller(keyed.secrets["only"].encode()) is None


async def test_the_first_key_closes_a_service_that_runs(tmp_path: Path) -> None:
    keyed = Keyed(tmp_path)
    async with keyed.running() as client:
        assert (await client.get("/storages")).status_code == 200
        keyed.make("shop", "answer")
        await keyed.access.look()
        assert (await client.get("/storages")).status_code == 401


async def test_a_key_with_a_rate_is_told_when_to_come_back(tmp_path: Path) -> None:
    keyed = Keyed(tmp_path, free="answer")
    keyed.make("slow", "answer", rate="2/h")
    await keyed.access.look()
    async with keyed.running() as client:
        first, second, third = [
            await client.post("/v1/recommend", json=USER, headers=keyed.bearer("slow")) for _ in range(3)
        ]
        free = await client.post("/v1/recommend", json=USER, headers=keyed.bearer("free"))
    assert [first.status_code, second.status_code, third.status_code] == [200, 200, 429]
    assert first.headers["ratelimit-policy"] == '"key";q=2;w=3600'
    assert first.headers["ratelimit"] == '"key";r=1;t=1800'
    assert 1790 <= int(third.headers["retry-after"]) <= 1800
    assert third.json()["type"] == "urn:millrace:problem:too-many-requests"
    assert free.status_code == 200
    assert "ratelimit" not in free.headers


async def test_a_rate_is_not_refilled_by_reading_the_keys_again(tmp_path: Path) -> None:
    keyed = Keyed(tmp_path)
    keyed.make("slow", "answer", rate="1/h")
    await keyed.access.look()
    async with keyed.running() as client:
        assert (await client.get("/v1", headers=keyed.bearer("slow"))).status_code == 200
        keyed.rotate("slow", timedelta(hours=1))
        await keyed.access.look()
        assert (await client.get("/v1", headers=keyed.bearer("slow"))).status_code == 429


async def test_openapi_says_which_scopes_an_address_needs_where_keys_are_asked_for(
    keyed: Keyed, client: httpx.AsyncClient
) -> None:
    document = (await client.get("/openapi.json", headers=keyed.bearer("answers"))).json()
    assert document["components"]["securitySchemes"]["key"]["scheme"] == "bearer"
    assert document["paths"]["/v1/recommend"]["post"]["security"] == [{"key": ["admin"]}, {"key": ["answer"]}]
    assert document["paths"]["/storages"]["get"]["security"] == [{"key": ["admin"]}]
    async with Shop().running() as open_client:
        document = (await open_client.get("/openapi.json")).json()
    assert "securitySchemes" not in document["components"]


async def test_without_keys_pages_of_other_sites_neither_ask_nor_emit() -> None:
    async with Shop().running() as client:
        for headers in ({"origin": "https://evil.example"}, {"sec-fetch-site": "cross-site"}):
            for path in ("/events/clicks", "/v1/recommend", "/console/storages"):
                assert (await client.post(path, json=CLICK, headers=headers)).status_code == 403


async def test_a_name_that_was_made_to_lead_to_this_machine_is_answered_nothing() -> None:
    """DNS rebinding: a page of evil.example would be of the service's own origin, as the browser sees it."""
    service = Shop().service(access=Access(local=True))
    own = ("localhost:18080", "127.0.0.1:9", "[::1]:18080", "LOCALHOST", "models.localhost")
    others = ("evil.example", "127.0.0.1.evil.example", "localhost@evil.example", "localhost:x", "notlocalhost", "")
    async with Shop().running(service) as client:
        for host in (*own, *others):
            answer = await client.get("/v1", headers={"host": host})
            assert answer.status_code == (200 if host in own else 421), host


async def test_a_reader_without_a_session_is_led_to_the_log_in_and_a_program_is_not(
    keyed: Keyed, client: httpx.AsyncClient
) -> None:
    led = await client.get("/console/storages", headers=HTML)
    assert (led.status_code, led.headers["location"]) == (303, "/console/login?to=/console/storages")
    assert (await client.get("/console/storages")).status_code == 401
    odd = await client.get("/console/%0d%0aset-cookie:%20a=b", headers=HTML)
    assert odd.headers["location"] == "/console/login?to=/console/%0D%0Aset-cookie%3A%20a%3Db"


async def test_every_page_forbids_what_it_does_not_need_whoever_asks(keyed: Keyed, client: httpx.AsyncClient) -> None:
    paths = ("/", "/console/flow", "/console/static/console.css", "/docs", "/console/login", "/console/nothing", "/v1")
    answers = [await client.get(path) for path in paths]
    await logged_in(keyed, client)
    answers += [await client.get(path) for path in paths]
    for answer in answers:
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "same-origin"

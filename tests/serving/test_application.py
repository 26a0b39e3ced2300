"""The short way past the middleware and the router leads where they would have led, and lets nobody in whom they keep
out."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import unquote

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from starlette.applications import Starlette
from starlette.routing import Match

from serving.access.rules import ANSWER, opens
from serving.application import _asked
from serving.head import WHOLE_ANSWER
from tests.serving.access.keyed import Keyed
from tests.serving.shop import SPLIT, Shop

METHODS = ["POST", "GET", "HEAD", "PUT", "DELETE", "OPTIONS", "post"]
STARTS = ["/v1/", "/v1", "//v1/", "/V1/", "v1/", "/", "", "/events/", "/console/", "/storages/", "/app/v1/"]
NAMES = [
    "recommend",
    "recommend@2",
    "newest",
    "experiments",
    "decisions",
    "deployments",
    "experiments_of_mine",
    "first",
]
ODD = ["", "/", "//", ".", "..", "%2F", "a%2Fb", "%0A", "newest%0A", "%00", "%C3%A9", "%", "?", "#", "{type}", "stop"]
PARTS = st.sampled_from(NAMES + ODD) | st.text(max_size=5)
PATHS = st.builds(
    lambda start, parts, end: start + "/".join(parts) + end,
    *(st.sampled_from(STARTS), st.lists(PARTS, max_size=4), st.sampled_from(["", "/", "%2F"])),
)
SHOP = Shop(experiments=[SPLIT])
SERVICE = SHOP.service()
APP = SERVICE.app()


def scope_of(path: str, method: str = "POST", **others: Any) -> dict[str, Any]:
    """As a server makes it of an address."""
    given = {"root_path": "", "headers": [(b"host", b"shop")], "query_string": b"", "http_version": "1.1"}
    return {"type": "http", "method": method, "path": unquote(path), "raw_path": path.encode(), **given, **others}


@given(PATHS, st.sampled_from(METHODS))
@example("/v1/recommend", "POST")
@example("/v1/recommend/newest", "POST")
@example("/v1/recommend/", "POST")
@example("/v1/recommend%2Fnewest", "POST")
@example("/v1/recommend%0A", "POST")
@example("/v1/experiments/first", "POST")
@example("/v1/deployments/shop", "POST")
def test_what_takes_the_short_way_is_what_the_router_would_have_led_there(path: str, method: str) -> None:
    scope = scope_of(path, method)
    routed = None
    for route in APP.router.routes:
        match, child = route.matches(scope)
        if match is Match.FULL:
            routed = child["path_params"] if child["endpoint"] is SERVICE.answering else None
            break
    answers = routed is not None and opens(method, scope["path"]) is ANSWER
    assert _asked(scope) == (routed if answers else None)


def test_where_the_service_is_mounted_below_a_path_and_what_is_no_request_nothing_takes_it() -> None:
    assert _asked(scope_of("/v1/recommend")) == {"type": "recommend"}
    assert _asked(scope_of("/v1/recommend", root_path="/app")) is None
    assert _asked(scope_of("/app/v1/recommend", root_path="/app")) is None
    assert _asked({"type": "lifespan"}) is None
    assert _asked({**scope_of("/v1/recommend"), "type": "websocket"}) is None


class Answer(NamedTuple):
    status: int
    headers: list[tuple[bytes, bytes]]
    body: bytes

    def like(self) -> tuple[int, list[tuple[bytes, bytes]], bytes]:
        """All but what is another in each answer."""
        return self.status, [one for one in self.headers if one[0] != b"millrace-decision"], self.body


Call = Callable[[Any, Any, Any], Awaitable[None]]


async def answer(call: Call, scope: dict[str, Any], body: bytes = b'{"user":"u1"}') -> Answer:
    """What an ASGI application answers."""
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    await call(scope, receive, send)
    assert [message["type"] for message in sent][:1] == ["http.response.start"]
    return Answer(sent[0]["status"], list(sent[0]["headers"]), b"".join(one.get("body", b"") for one in sent[1:]))


async def test_both_ways_answer_alike() -> None:
    shop = Shop()
    shop.learner()
    app = shop.service().app()
    below = [*NAMES, *ODD, *(f"recommend/{name}" for name in NAMES + ODD), *(f"{name}/first/stop" for name in NAMES)]
    async with app.router.lifespan_context(app):
        for path in [f"/v1/{part}" for part in below] + ["/v1", "//v1/recommend", "/healthz", "/nothing"]:
            for method in METHODS:
                for body in (b'{"user":"u1"}', b"{"):
                    short = await answer(app, scope_of(path, method), body)
                    routed = await answer(partial(Starlette.__call__, app), scope_of(path, method), body)
                    assert short.like() == routed.like(), (path, method, body)


async def test_one_that_is_mounted_below_a_path_answers_there() -> None:
    shop = Shop()
    shop.learner()
    app = shop.service().app()
    async with app.router.lifespan_context(app):
        scope = scope_of("/app/v1/recommend/newest", root_path="/app")
        assert (await answer(app, scope)).body == b'{"items":["new"]}'


async def test_what_a_page_of_another_site_sends_is_refused_and_has_no_way_round() -> None:
    shop = Shop()
    app = shop.service().app()
    async with app.router.lifespan_context(app):
        foreign = [(b"origin", b"https://evil.example"), (b"sec-fetch-site", b"cross-site"), (b"host", b"shop")]
        refused = await answer(app, scope_of("/v1/recommend/newest", headers=foreign))
        assert refused.status == 403
        many = [(b"x%d" % number, b"y") for number in range(101)]
        assert (await answer(app, scope_of("/v1/recommend/newest", headers=many))).status == 431
    assert shop.kafka.decisions == []


async def test_only_a_key_that_is_known_to_be_good_and_has_no_rate_takes_the_short_way(tmp_path: Path) -> None:
    keyed = Keyed(tmp_path, good="answer", emits="emit")
    keyed.make("rated", "answer", rate="100/s")
    await keyed.access.look()
    app = keyed.service.app()
    whole: list[bytes] = []

    def sends(lines: bytes, body: bytes) -> bool:
        whole.append(body)
        return False

    async def ask(key: bytes) -> Answer:
        headers = [(b"host", b"shop"), (b"authorization", key)] if key else [(b"host", b"shop")]
        return await answer(app, scope_of("/v1/recommend/newest", headers=headers, extensions={WHOLE_ANSWER: sends}))

    async with app.router.lifespan_context(app):
        secrets = {name: f"Bearer {secret}".encode() for name, secret in keyed.secrets.items()}
        for key, status in ((b"", 401), (b"Bearer mk_none", 401), (secrets["emits"], 403), (secrets["rated"], 200)):
            for _ in range(2):
                found = await ask(key)
                assert found.status == status
                assert (b"ratelimit" in dict(found.headers)) == (key == secrets["rated"])
        assert whole == []
        for count in (0, 1, 2):
            assert (await ask(secrets["good"])).status == 200
            assert len(whole) == count
        keyed.revoke("good")
        await keyed.access.look()
        assert (await ask(secrets["good"])).status == 401
    assert len(whole) == 2


async def test_a_fault_of_ours_is_a_problem_and_the_log_says_why(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def broken(*of: object) -> None:
        raise ZeroDivisionError("inside")

    service = Shop().service()
    monkeypatch.setattr(service.answering, "answer", broken)
    with caplog.at_level(logging.ERROR):
        found = await answer(service.app(), scope_of("/v1/recommend"))
    assert found.status == 500
    assert dict(found.headers)[b"content-type"] == b"application/problem+json"
    assert json.loads(found.body)["type"] == "urn:millrace:problem:service-failed"
    assert b"inside" not in found.body
    [record] = [record for record in caplog.records if record.exc_info]
    assert record.exc_info is not None
    assert isinstance(record.exc_info[1], ZeroDivisionError)


async def test_a_request_that_is_ended_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    """As the server does with those that take too long when it stops."""

    async def waits(*of: object) -> None:
        await asyncio.Event().wait()

    service = Shop().service()
    monkeypatch.setattr(service.answering, "answer", waits)
    asking = asyncio.ensure_future(answer(service.app(), scope_of("/v1/recommend")))
    await asyncio.sleep(0)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking

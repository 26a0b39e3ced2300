"""The short way past the middleware and the router leads where they would have led, and lets nobody in whom they keep
out."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import unquote

from hypothesis import example, given
from hypothesis import strategies as st
from starlette.routing import Match

from serving.access.rules import ANSWER, opens
from serving.application import _asked
from serving.head import pairs
from tests.serving.access.keyed import Keyed
from tests.serving.shop import SPLIT, Shop

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
HEADERS = [(b"host", b"shop")]
SHOP = Shop(experiments=[SPLIT])
SERVICE = SHOP.service()
APP = SERVICE.app()


def scope_of(path: str, method: str = "POST", **others: Any) -> dict[str, Any]:
    """As a server makes it of an address."""
    given = {"root_path": "", "headers": HEADERS, "query_string": b"", "http_version": "1.1"}
    return {"type": "http", "method": method, "path": unquote(path), "raw_path": path.encode(), **given, **others}


@given(PATHS)
@example("/v1/recommend")
@example("/v1/recommend/newest")
@example("/v1/recommend/")
@example("/v1/recommend%2Fnewest")
@example("/v1/recommend%0A")
@example("/v1/recommend?a=b")
@example("/v1/experiments/first")
@example("/v1/deployments/shop")
def test_what_takes_the_short_way_is_what_the_router_would_have_led_there(path: str) -> None:
    scope = scope_of(path)
    routed = None
    for route in APP.router.routes:
        match, child = route.matches(scope)
        if match is Match.FULL:
            routed = child["path_params"] if child["endpoint"] is SERVICE.answering else None
            break
    asked = _asked(path.encode())
    assert asked is None or (asked == routed and opens("POST", scope["path"]) is ANSWER)


def test_what_is_asked_most_takes_it() -> None:
    assert _asked(b"/v1/recommend") == {"type": "recommend"}
    assert _asked(b"/v1/recommend@2/the-newest_1.0") == {"type": "recommend@2", "implementation": "the-newest_1.0"}


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
    app, answered = shop.service().app(), set[int]()
    below = [*NAMES, *ODD, *(f"recommend/{name}" for name in NAMES + ODD), *(f"{name}/first/stop" for name in NAMES)]
    async with app.router.lifespan_context(app):
        for path in [f"/v1/{part}" for part in below] + ["/v1", "//v1/recommend", "/healthz", "/nothing"]:
            for body in (b'{"user":"u1"}', b"{"):
                if (short_way := app.short_way(path.encode(), HEADERS)) is not None:
                    status, lines, found = await short_way(body)
                    short = Answer(status, [*pairs(lines), (b"content-length", b"%d" % len(found))], found)
                    assert short.like() == (await answer(app, scope_of(path), body)).like(), (path, body)
                    answered.add(status)
    assert answered == {200, 400, 404}


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
        many = [(b"x%d" % number, b"y") for number in range(101)]
        for headers, status in ((foreign, 403), (many, 431)):
            assert app.short_way(b"/v1/recommend/newest", headers) is None
            assert (await answer(app, scope_of("/v1/recommend/newest", headers=headers))).status == status
    assert shop.kafka.decisions == []


async def test_only_a_key_that_is_known_to_be_good_and_has_no_rate_takes_the_short_way(tmp_path: Path) -> None:
    keyed = Keyed(tmp_path, good="answer", emits="emit")
    keyed.make("rated", "answer", rate="100/s")
    await keyed.access.look()
    app = keyed.service.app()

    def headers(key: bytes) -> list[tuple[bytes, bytes]]:
        return [(b"host", b"shop"), (b"authorization", key)] if key else [(b"host", b"shop")]

    def is_short(key: bytes) -> bool:
        return app.short_way(b"/v1/recommend/newest", headers(key)) is not None

    async def ask(key: bytes) -> Answer:
        return await answer(app, scope_of("/v1/recommend/newest", headers=headers(key)))

    async with app.router.lifespan_context(app):
        secrets = {name: f"Bearer {secret}".encode() for name, secret in keyed.secrets.items()}
        for key, status in ((b"", 401), (b"Bearer mk_none", 401), (secrets["emits"], 403), (secrets["rated"], 200)):
            for _ in range(2):
                assert not is_short(key)
                found = await ask(key)
                assert found.status == status
                assert (b"ratelimit" in dict(found.headers)) == (key == secrets["rated"])
        assert not is_short(secrets["good"])
        assert (await ask(secrets["good"])).status == 200
        assert is_short(secrets["good"])
        keyed.revoke("good")
        await keyed.access.look()
        assert not is_short(secrets["good"])
        assert (await ask(secrets["good"])).status == 401

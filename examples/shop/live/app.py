"""The shop's pages. Each asks for a strip; what a visitor sees, opens and buys is told with the strip's decision."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote
from uuid import uuid4

import millrace_client as mr
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.templating import Jinja2Templates

from .asking import Click, Exposure, Recommend, Recommendations, recommend
from .items import ITEMS, Item

LOGGER = logging.getLogger("shop")
HERE = Path(__file__).parent
TOLD = timedelta(seconds=10)
"""A purchase waits so long for its acknowledgement."""
LARGEST = 10_000
"""Bytes of a form or a beacon."""
_OURS = ("style-src", "script-src", "connect-src", "img-src", "form-action")
POLICY = "; ".join(["default-src 'none'", "base-uri 'none'", *(f"{name} 'self'" for name in _OURS)])
_VISITOR = re.compile(r"[a-z0-9-]{1,40}")
_DECISION = re.compile(r"[0-9a-f]{32}\.[\w-]{1,60}\.[\w-]{1,60}")


class Shop:
    """The pages over one models service.

    Args:
        models: its address.
        deadline: of a strip; None = the endpoint type's.
    """

    def __init__(self, models: str, deadline: timedelta | None = None) -> None:
        self._models, self._deadline = models, deadline
        self._templates = Jinja2Templates(HERE / "templates")

    def app(self) -> Starlette:
        """The application; while it runs it has a client and a producer."""
        routes = [
            Route("/", self._shelf),
            Route("/items/{item}", self._item),
            Route("/seen", self._seen, methods=["POST"]),
            Route("/buy", self._buy, methods=["POST"]),
            Mount("/static", StaticFiles(directory=HERE / "static")),
        ]
        return Starlette(routes=routes, lifespan=self._running)

    @asynccontextmanager
    async def _running(self, app: Starlette) -> AsyncIterator[None]:
        async with mr.Client(self._models) as client:
            self._client, self._events = client, mr.Producer(service=self._models)
            try:
                yield
            finally:
                try:
                    self._events.close()
                except mr.DeliveryFailed as error:
                    LOGGER.error("Not everything that was seen and opened has arrived: %s", error)

    async def _shelf(self, request: Request) -> Response:
        """All items, and a strip above them."""
        return await self._page(request, "shelf.html", None, items=list(ITEMS.values()))

    async def _item(self, request: Request) -> Response:
        """One item, and what goes with it. Who comes from a strip has its decision in the address."""
        item = ITEMS.get(request.path_params["item"])
        if item is None:
            return self._templates.TemplateResponse(request, "missing.html", {}, 404)
        decision = _decision(request.query_params.get("from"))
        if "bought" not in request.query_params:
            self._events.emit(Click(_visitor(request), item.id, datetime.now(UTC), decision))
        shown = {"item": item, "decision": decision, "bought": "bought" in request.query_params}
        return await self._page(request, "item.html", item, **shown)

    async def _seen(self, request: Request) -> Response:
        """A strip came into view."""
        try:
            seen = json.loads(await _body(request))
            items = [str(item) for item in seen["items"] if item in ITEMS]
            decision = _decision(seen.get("decision"))
        except (ValueError, TypeError, KeyError, AttributeError):
            return Response("This is no strip.", 400)
        self._events.emit(Exposure(_visitor(request), items, datetime.now(UTC), decision))
        return Response(status_code=204)

    async def _buy(self, request: Request) -> Response:
        """An item is bought: the reward of the strip through which the visitor came, and waited for."""
        form = parse_qs((await _body(request)).decode("utf-8", "replace"))
        item = ITEMS.get(form.get("item", [""])[0])
        if item is None:
            return self._templates.TemplateResponse(request, "missing.html", {}, 404)
        decision = _decision(form.get("decision", [""])[0])
        who, at = _visitor(request), datetime.now(UTC)
        try:
            await self._client.reward(
                decision, "purchase", deadline=TOLD, visitor=who, item=item.id, cents=item.cents, at=at
            )
        except mr.MillraceError as error:
            LOGGER.error("A purchase was not told to the models service: %s", error)
        back = f"/items/{item.id}?bought=1" + (f"&from={quote(decision)}" if decision else "")
        return self._kept(request, RedirectResponse(back, 303))

    async def _page(self, request: Request, template: str, asked_for: Item | None, **shown: Any) -> Response:
        asked = Recommend(_visitor(request), asked_for.id if asked_for else None)
        answer: mr.Answer[Recommendations] = await self._client.ask(recommend, asked, deadline=self._deadline)
        if answer.reason is not None:
            LOGGER.warning("The strip shows our bestsellers: %s", answer.reason)
        strip = [ITEMS[found] for found in answer.value.items if found in ITEMS]
        page = self._templates.TemplateResponse(request, template, {**shown, "strip": strip, "answer": answer})
        return self._kept(request, page)

    def _kept(self, request: Request, response: Response) -> Response:
        """The same with the visitor's cookie and the rules of the page."""
        response.set_cookie("visitor", _visitor(request), max_age=31_536_000, httponly=True, samesite="lax")
        response.headers["content-security-policy"] = POLICY
        response.headers["cache-control"] = "no-store"
        return response


def _visitor(request: Request) -> str:
    """Who asks, by the cookie; made up at the first visit."""
    known = request.cookies.get("visitor", "")
    if not hasattr(request.state, "visitor"):
        request.state.visitor = known if _VISITOR.fullmatch(known) else uuid4().hex
    return str(request.state.visitor)


def _decision(text: object) -> str | None:
    """A decision that came back from a page; None where it is none."""
    return text if isinstance(text, str) and _DECISION.fullmatch(text) else None


async def _body(request: Request) -> bytes:
    """At most `LARGEST` bytes; what is longer is cut off, and then no form."""
    found = b""
    async for part in request.stream():
        found += part
        if len(found) > LARGEST:
            return b""
    return found

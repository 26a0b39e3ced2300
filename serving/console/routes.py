"""The console's addresses: a page each under /console, its stream, the files they need."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

from starlette.requests import Request
from starlette.responses import (
    FileResponse,
    HTMLResponse,
    PlainTextResponse,
    RedirectResponse,
    Response,
    StreamingResponse,
)
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles

from serving.console import experiments_page, flow_page, lists_pages
from serving.console.live import stream
from serving.console.page import Page, ProductPage
from serving.console.shell import AT, HEADERS, STATIC, Shell
from serving.measurements import Measurements

PAGES = (
    Page("flow", "Flow", "flow.html", flow_page.context),
    Page("storages", "Storages", "storages.html", lists_pages.storages),
    Page("endpoints", "Endpoints", "endpoints.html", lists_pages.endpoints),
    Page("experiments", "Experiments", "experiments.html", experiments_page.context),
)

Answering = Callable[[Request], Awaitable[Response]]


def console(measurements: Measurements, pages: Sequence[ProductPage] = ()) -> list[BaseRoute]:
    """Routes of the console: mounted at /console, with `/` leading to its Flow page.

    `measurements` must be running (`Measurements.run`) for anything to be live. `pages` are those of data products; a
    page's template is read at every request, so that its author sees a saved change on the next reload.
    """
    shell = Shell(measurements, [*PAGES, *(Page.of(page) for page in pages)])
    inside: list[BaseRoute] = [Route("/", lambda request: RedirectResponse(_base(request) + "/flow"))]
    inside += [Mount("/static", StaticFiles(directory=STATIC))]
    for page in shell.pages:
        inside += [Route(f"/{page.path}", _whole(shell, page)), Route(f"/{page.path}/live", _live(shell, page))]
        if page.script is not None:
            inside.append(Route(f"/{page.path}/script.js", _script(page.script)))
    inside.append(Route("/{rest:path}", _missing))
    return [Route("/", lambda request: RedirectResponse(_base(request) + f"{AT}/flow")), Mount(AT, routes=inside)]


def _base(request: Request) -> str:
    """The address that these routes are mounted at, without a slash at its end."""
    return str(request.scope.get("root_path", "")).rstrip("/")


def _whole(shell: Shell, page: Page) -> Answering:
    async def answer(request: Request) -> Response:
        html = shell.page(page, request.query_params, _base(request), request.url.query)
        return HTMLResponse(html, headers=HEADERS)

    return answer


def _live(shell: Shell, page: Page) -> Answering:
    async def answer(request: Request) -> Response:
        events = stream(shell, page, request.query_params, _base(request))
        headers = HEADERS | {"x-accel-buffering": "no"}
        return StreamingResponse(events, media_type="text/event-stream", headers=headers)

    return answer


def _script(path: Path) -> Answering:
    async def answer(request: Request) -> Response:
        return FileResponse(path, media_type="text/javascript", headers={"cache-control": "no-cache"})

    return answer


async def _missing(request: Request) -> Response:
    return PlainTextResponse(
        f"There is no page {request.url.path}. Go to {_base(request)}/flow.", status_code=404, headers=HEADERS
    )

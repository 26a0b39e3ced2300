"""The console's addresses: a page each under /console, its stream, the files they need."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from urllib.parse import urlencode

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

from serving.access.forms import read, with_token
from serving.body import Disconnected
from serving.console import endpoints_page, experiments_changing, flow_page, streams_page
from serving.console.backtests_page import BacktestsPage
from serving.console.experiments_changing import ExperimentsPage
from serving.console.flow_page import FlowPage
from serving.console.jobs_page import JobsPage
from serving.console.live import stream
from serving.console.login import Login, reader
from serving.console.page import Act, Page, ProductPage
from serving.console.schemas_page import SchemasPage
from serving.console.shell import AT, STATIC, Shell
from serving.console.storages_page import READ_ONLY, StoragesPage
from serving.console.streams_page import StreamsPage
from serving.measurements import Measurements
from serving.page_headers import HEADERS
from serving.problem import Problem
from serving.storages.storages import Storages
from serving.trial import Trials
from storage.retention import Retention

PAGES = (
    flow_page.READ_ONLY,
    streams_page.READ_ONLY,
    READ_ONLY,
    endpoints_page.READ_ONLY,
    experiments_changing.READ_ONLY,
)

Answering = Callable[[Request], Awaitable[Response]]


def console(
    measurements: Measurements,
    pages: Sequence[ProductPage] = (),
    storages: Storages | None = None,
    retention: Retention | None = None,
    trials: Trials | None = None,
    experiments: ExperimentsPage | None = None,
    login: Login | None = None,
    streams: StreamsPage | None = None,
    schemas: SchemasPage | None = None,
    flow: FlowPage | None = None,
    jobs: JobsPage | None = None,
    backtests: BacktestsPage | None = None,
) -> list[BaseRoute]:
    """Routes of the console: mounted at /console, with `/` leading to its Flow page.

    `storages` are looked at and changed on their page, and `retention` is the rule that it tells of; without them it
    shows only what is measured. By `trials` endpoint types are asked on theirs; on that of `experiments` these are
    changed. `login` is where its readers show their keys. `streams` shows dead letters and puts them back, `schemas`
    what is registered; `flow` is Flow with a search for events; `jobs` is the page of those of the product, `backtests`
    what backtests have found.

    `measurements` must be running (`Measurements.run`) for anything to be live. `pages` are those of data products; a
    page's template is read at every request, so that its author sees a saved change on the next reload.
    """
    browsed = [] if storages is None else [StoragesPage(storages, retention or Retention()).page()]
    asked = [] if trials is None else [endpoints_page.EndpointsPage(trials).page()]
    changed = [] if experiments is None else [experiments.page()]
    replayed = [] if streams is None else [streams.page()]
    registered = [] if schemas is None else [schemas.page()]
    looked = [] if flow is None else [flow.page()]
    batches = [one.page() for one in (jobs, backtests) if one is not None]
    own = {
        page.path: page
        for page in (*PAGES[:2], *registered, *PAGES[2:], *batches, *looked, *replayed, *browsed, *asked, *changed)
    }
    shell = Shell(measurements, [*own.values(), *(Page.of(page) for page in pages)])
    inside: list[BaseRoute] = [Route("/", lambda request: RedirectResponse(_base(request) + "/flow"))]
    inside += [Mount("/static", StaticFiles(directory=STATIC)), *(login.routes() if login is not None else ())]
    for page in shell.pages:
        inside += [Route(f"/{page.path}", _whole(shell, page)), Route(f"/{page.path}/live", _live(shell, page))]
        if page.act is not None:
            inside.append(Route(f"/{page.path}", _form(shell, page, page.act), methods=["POST"]))
        if page.script is not None:
            inside.append(Route(f"/{page.path}/script.js", _script(page.script)))
    inside.append(Route("/{rest:path}", _missing))
    return [Route("/", lambda request: RedirectResponse(_base(request) + f"{AT}/flow")), Mount(AT, routes=inside)]


def _base(request: Request) -> str:
    """The address that these routes are mounted at, without a slash at its end."""
    return str(request.scope.get("root_path", "")).rstrip("/")


def _whole(shell: Shell, page: Page) -> Answering:
    async def answer(request: Request) -> Response:
        html = await shell.page(page, request.query_params, _base(request), {"reader": reader(request)})
        return HTMLResponse(with_token(html, request.scope), headers=HEADERS)

    return answer


def _form(shell: Shell, page: Page, act: Act) -> Answering:
    async def answer(request: Request) -> Response:
        try:
            fields, _ = await read(request.receive)  # type: ignore[arg-type]
        except Problem as problem:
            return PlainTextResponse(problem.detail, problem.status, headers=HEADERS)
        except Disconnected:
            return Response(status_code=499)
        done = await act(fields)
        if done.status == 303:
            address = f"{_base(request)}/{page.path}?{urlencode(done.query)}"
            return RedirectResponse(address, 303, headers=HEADERS)
        prepared = {"reader": reader(request), **(done.prepared or {})}
        html = await shell.page(page, done.query, _base(request), prepared)
        return HTMLResponse(with_token(html, request.scope), done.status, headers=HEADERS)

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

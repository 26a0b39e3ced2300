"""The addresses of the documentation: the page, and the files it needs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles

from serving.docs.operations import grouped, others
from serving.page_headers import HEADERS
from serving.page_templates import page_templates

STATIC = Path(__file__).parent / "static"


def docs(document: Callable[[], dict[str, Any]]) -> list[BaseRoute]:
    """Routes of the documentation at /docs. It shares the console's colours, which are served at /console/static.

    Args:
        document: gives the OpenAPI document as it is now.
    """
    template = page_templates("serving.docs").get_template("docs.html")

    async def page(request: Request) -> Response:
        root = str(request.scope.get("root_path", "")).rstrip("/")
        found = document()
        html = template.render(root=root, info=found["info"], groups=grouped(found), others=others(found))
        return HTMLResponse(html, headers=HEADERS)

    return [Route("/docs", page), Mount("/docs/static", StaticFiles(directory=STATIC))]

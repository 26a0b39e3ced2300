"""The addresses of the documentation: the page, and the files it needs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles

from serving.console.shell import HEADERS
from serving.docs.operations import grouped, others

STATIC = Path(__file__).parent / "static"


def docs(document: Callable[[], dict[str, Any]]) -> list[BaseRoute]:
    """Routes of the documentation at /docs. It shares the console's colours, which are served at /console/static.

    Args:
        document: gives the OpenAPI document as it is now.
    """
    environment = Environment(
        loader=PackageLoader("serving.docs", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    template = environment.get_template("docs.html")

    async def page(request: Request) -> Response:
        root = str(request.scope.get("root_path", "")).rstrip("/")
        found = document()
        html = template.render(root=root, info=found["info"], groups=grouped(found), others=others(found))
        return HTMLResponse(html, headers=HEADERS)

    return [Route("/docs", page), Mount("/docs/static", StaticFiles(directory=STATIC))]

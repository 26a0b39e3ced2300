"""A webhook is told of a run that failed, and its address, which may be a secret, is told to nobody."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from millrace.jobs.alert import tell
from tests.listening import listening


def test_it_is_told_what_failed_and_a_refusal_is_logged_without_the_address(caplog: pytest.LogCaptureFixture) -> None:
    got: list[Any] = []

    async def hook(request: Request) -> Response:
        got.append(await request.json())
        return Response(status_code=404 if request.path_params["secret"] == "old-secret" else 204)

    app = Starlette(routes=[Route("/{secret}", hook, methods=["POST"])])
    app.state.stopping = lambda: None
    caplog.set_level(logging.INFO, "millrace")
    with listening(app) as server:
        address = f"http://127.0.0.1:{server.config.port}"
        tell(f"{address}/secret", "books", "train", "run-1", "no memory")
        assert caplog.text == ""
        tell(f"{address}/old-secret", "books", "train", "run-2", "no memory")
    tell("http://127.0.0.1:1/away-secret", "books", "train", "run-3", "no memory")
    tell("", "books", "train", "run-4", "no memory")

    assert got[0] == {
        "text": "The job train of books has failed: no memory",
        "product": "books",
        "job": "train",
        "run": "run-1",
        "state": "failed",
        "why": "no memory",
    }
    assert "the webhook answers 404" in caplog.text
    assert "run-3 of train failed: ConnectError" in caplog.text
    assert "secret" not in caplog.text
    assert "run-4" not in caplog.text

"""A real Chromium, and the service that it looks at, running in a thread of this process."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright
from starlette.applications import Starlette

from benchmarks.prove_loop.stage import Stage
from tests.listening import listening

NAMES = ("chromium", "chromium-browser", "google-chrome")
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]

Serve = Callable[[Starlette], str]

expect.set_options(timeout=30_000)  # the default of 5 s is little on a busy machine


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "tests/browser" in item.path.as_posix():
            item.add_marker("browser")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium without a window. Skips where there is none, and fails instead where CI=true."""
    found = next((path for name in NAMES if (path := shutil.which(name))), None)
    if found is None:
        reason = "No Chromium on PATH: run scripts/browser, or install one (apt install chromium)."
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def movies_stack(running_movies: Stage) -> str:
    """Address of a service with everything running behind it."""
    return running_movies.settings.service_url


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    """One reader's browser: nothing remembered, the mock's size, light theme."""
    context = browser.new_context(viewport={"width": 1440, "height": 900}, color_scheme="light")
    context.set_default_timeout(10_000)
    yield context
    context.close()


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Runs an app on a free port of loopback and returns its address; stops it when the test ends."""
    with ExitStack() as running:
        yield lambda app: f"http://127.0.0.1:{running.enter_context(listening(app)).config.port}"


@pytest.fixture
def page(context: BrowserContext, serve: Serve) -> Iterator[Page]:
    """A tab, closed before its service stops. An error that it logs, such as a breach of the content policy, fails the
    test."""
    page, wrong = context.new_page(), list[str]()
    page.on("console", lambda message: wrong.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: wrong.append(str(error)))
    yield page
    page.close()
    assert wrong == []


@pytest.fixture
def page_with_failures(context: BrowserContext, serve: Serve) -> Iterator[Page]:
    """A tab for tests in which requests fail: the browser logs each as an error. Only broken scripts fail the test."""
    page, wrong = context.new_page(), list[str]()
    page.on("pageerror", lambda error: wrong.append(str(error)))
    yield page
    page.close()
    assert wrong == []


@pytest.fixture
def plain(context: BrowserContext, serve: Serve) -> Iterator[Page]:
    """A tab without JavaScript."""
    assert context.browser is not None
    without = context.browser.new_context(java_script_enabled=False, viewport={"width": 1440, "height": 900})
    yield without.new_page()
    without.close()

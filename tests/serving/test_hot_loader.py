"""A saved file is live within seconds once it holds; a broken one, a hanging one, a failing one never is."""

from __future__ import annotations

import asyncio
import logging
import sys
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import psutil
import pytest

from millrace.product import Product
from serving import HotLoader
from serving.service import Service
from tests.serving import hot_check
from tests.serving.shop import Shop

CODE = """
import msgspec
import millrace as mr

class Ask(msgspec.Struct):
    user: str

class Answer(msgspec.Struct):
    items: list[str]

ask = mr.EndpointType("ask", Ask, Answer, unit="user", golden=[mr.Golden(Ask("u1"), lambda answer: answer.items)])

@ask.implementation
async def first(request: Ask) -> Answer:
    return Answer(["before"])
"""
REAL = (sys.executable, hot_check.__file__)
"""Takes a second of the processor."""
NOTED = ("/bin/sh", "-c", '! grep -h "^# refused" "$1"/*.py', "check")
"""Refuses files that ask for it, and takes all others."""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    place = tmp_path / "hot_shop"
    place.mkdir()
    (place / "endpoints.py").write_text(CODE)
    return place


class Hot:
    """A service over a folder, asked until it answers as wanted."""

    def __init__(self, folder: Path, service: Service, client: httpx.AsyncClient) -> None:
        self.folder, self.service, self.client = folder, service, client

    def save(self, text: str, name: str = "endpoints.py") -> None:
        (self.folder / name).write_text(text)

    async def answer(self) -> object:
        return (await self.client.post("/v1/ask", json={"user": "u1"})).json()

    async def until(self, holds: Callable[[], object]) -> float:
        """Seconds until it held."""
        began = time.monotonic()
        while not holds():
            assert time.monotonic() - began < 20, self.service.endpoints.problems
            await asyncio.sleep(0.005)
        return time.monotonic() - began

    async def refused(self) -> str:
        """Wait for a refusal, and give its reason."""
        await self.until(lambda: self.service.endpoints.problems)
        return " ".join(self.service.endpoints.problems)


@asynccontextmanager
async def serving(folder: Path, check: Sequence[str] = NOTED, patience: float = 20.0) -> AsyncIterator[Hot]:
    product = Product.load(folder)
    hot = HotLoader(folder, check, lambda: Product.load(folder).endpoints, patience)
    shop = Shop(*product.endpoints)
    service = shop.service(hot=hot)
    async with shop.running(service) as client:
        yield Hot(folder, service, client)


async def test_a_saved_file_is_live_by_itself(folder: Path) -> None:
    async with serving(folder, REAL) as hot:
        assert await hot.answer() == {"items": ["before"]}
        before = hot.service.endpoints.current

        hot.save(CODE.replace("before", "new"))
        await hot.until(lambda: hot.service.endpoints.current is not before)

        assert await hot.answer() == {"items": ["new"]}  # how soon, `make prove-loop` and `make prove-models` measure


@pytest.mark.parametrize(
    ("check", "text", "reason"),
    [
        (REAL, CODE + "\ndef broken(:\n", "endpoints.py:17: SyntaxError"),
        (
            REAL,
            CODE.replace('["before"]', "[]"),
            "ask/first: golden request 1 was answered with what its predicate refuses",
        ),
        (REAL, CODE + "\nimport os\nos._exit(3)\n", "ended with 3"),
        (NOTED, CODE + "\nraise ValueError('not today')\n", "endpoints.py:17: ValueError: not today"),
        (NOTED, CODE.replace('unit="user"', 'unit="user", default=object()'), "has the default"),
        (NOTED, CODE.replace('"user"', '"users"'), "has the unit 'users'"),
        (
            NOTED,
            CODE.replace("items: list[str]", "items: list[str] | None"),
            "ask: this change breaks those who ask version 1: `items` of the answer was list of string and may be null",
        ),
        (
            NOTED,
            CODE.replace('unit="user"', 'unit="user", fallback="second"'),
            "ask has the fallback 'second', no implement",
        ),
    ],
)
async def test_code_that_does_not_hold_is_refused_and_what_answered_keeps_answering(
    folder: Path, check: Sequence[str], text: str, reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with serving(folder, check) as hot:
        with caplog.at_level(logging.ERROR):
            hot.save(text)
            assert reason in await hot.refused()
        assert await hot.answer() == {"items": ["before"]}
        assert hot.service.endpoints.facts()[0].refusals
    assert "Saved code is not taken" in caplog.text


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (CODE.replace('Answer(["before"])', "None"), "ask/first: golden request 1 was answered with NoneType"),
        (CODE + "\nimport sys\nsys.exit(0)\n", "endpoints.py:18: SystemExit: 0"),
        (
            CODE.replace("return Answer", "exit(0); return Answer"),
            "ask/first: golden request 1 raised endpoints.py:15: ",
        ),
    ],
)
async def test_a_check_survives_what_the_code_does(folder: Path, text: str, reason: str) -> None:
    (folder / "endpoints.py").write_text(text)
    assert reason in " ".join(await hot_check.problems_of(folder))


async def test_a_check_that_never_ends_is_killed_and_answers_go_on_meanwhile(folder: Path, tmp_path: Path) -> None:
    begun, answers = tmp_path / "pid", 0
    async with serving(folder, ("/bin/sh", "-c", f"echo $$ > {begun}; exec sleep 60"), patience=1.0) as hot:
        hot.save(CODE.replace("before", "never"))
        while not hot.service.endpoints.problems:
            assert await hot.answer() == {"items": ["before"]}
            answers += begun.exists()
            await asyncio.sleep(0.01)
        assert "took more than 1 s" in await hot.refused()
    assert answers > 0
    assert not psutil.pid_exists(int(begun.read_text()))


async def test_a_repaired_file_is_taken_and_the_error_is_gone(folder: Path) -> None:
    async with serving(folder) as hot:
        hot.save("# refused: not today\n")
        assert await hot.refused() == "# refused: not today"
        hot.save(CODE.replace("before", "repaired"))
        await hot.until(lambda: not hot.service.endpoints.problems)

        assert await hot.answer() == {"items": ["repaired"]}
        assert hot.service.endpoints.facts()[0].refusals == ()


async def test_a_reload_that_fails_by_our_own_fault_ends_no_later_one(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(types: object) -> None:
        raise TypeError("no such thing")

    async with serving(folder) as hot:
        with monkeypatch.context() as patch:
            patch.setattr(hot.service.endpoints, "take", failing)
            hot.save(CODE.replace("before", "lost"))
            assert await hot.refused() == "no such thing"
        hot.save(CODE.replace("before", "after"))
        await hot.until(lambda: not hot.service.endpoints.problems)
        assert await hot.answer() == {"items": ["after"]}


async def test_a_check_that_cannot_be_started_ends_no_later_one(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def none_left(*_: object, **__: object) -> None:
        raise BlockingIOError("no more processes")

    async with serving(folder) as hot:
        with monkeypatch.context() as patch:
            patch.setattr(asyncio, "create_subprocess_exec", none_left)
            hot.save(CODE.replace("before", "lost"))
            assert await hot.refused() == "no more processes"
        hot.save(CODE.replace("before", "after"))
        await hot.until(lambda: not hot.service.endpoints.problems)
        assert await hot.answer() == {"items": ["after"]}


async def test_the_last_of_several_quick_saves_is_what_answers(folder: Path) -> None:
    async with serving(folder) as hot:
        for number in range(5):
            hot.save(CODE.replace("before", f"version {number}"))
            await asyncio.sleep(0.05)
        began = time.monotonic()
        while await hot.answer() != {"items": ["version 4"]}:
            assert time.monotonic() - began < 30
            await asyncio.sleep(0.01)


async def test_a_new_file_beside_the_others_counts_as_a_change(folder: Path) -> None:
    async with serving(folder) as hot:
        before = hot.service.endpoints.current
        hot.save("ITEMS = ['helped']\n", "near.py")
        text = CODE.replace("import msgspec\n", "import msgspec\nfrom .near import ITEMS\n")
        hot.save(text.replace('["before"]', "ITEMS"))
        await hot.until(lambda: hot.service.endpoints.current is not before)
        assert await hot.answer() == {"items": ["helped"]}


async def test_a_file_that_is_no_source_changes_nothing(folder: Path) -> None:
    loads = 0

    def load() -> list[object]:
        nonlocal loads
        loads += 1
        return []

    hot = HotLoader(folder, ["false"], load)  # type: ignore[arg-type]
    before = hot._fingerprint()
    (folder / "notes.txt").write_text("x")
    (folder / ".venv").mkdir()
    (folder / ".venv" / "x.py").write_text("x")
    assert hot._fingerprint() == before
    (folder / "product.toml").write_text("")
    assert hot._fingerprint() != before
    assert loads == 0

"""What `make prove-models` says at its end: keys that others rely on, and what was not reached, by name."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Mapping

import pytest

from benchmarks.prove_models import __main__ as proof
from benchmarks.prove_models.asking import CONNECTIONS, ask

GOOD = dict.fromkeys((*proof.KEYS, *proof.BESIDE), 0.0) | proof.MOST | proof.LEAST
ANSWER = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}"


def concluded(
    figures: Mapping[str, float | None], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> tuple[dict[str, float | None], list[str]]:
    """The figures as JSON, and the problems."""
    monkeypatch.setattr(proof, "PARTS", {"all": lambda folder: figures})
    monkeypatch.setattr(sys, "argv", ["prove_models"])
    ended: list[object] = []
    try:
        proof.main()
    except SystemExit as end:
        ended.append(end.code)
    said = capsys.readouterr()
    problems = said.err.splitlines()[1:]
    assert ended == ([1] if problems else [])
    return json.loads(said.out), problems


def test_what_is_told_beside_the_keys_is_judged_and_no_figure_of_the_json(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    figures, problems = concluded(GOOD, monkeypatch, capsys)
    assert (list(figures), problems) == (list(proof.KEYS), [])

    worse = {"vs_bentoml": 11.5, "p99_vs_constant": 2.6, "p99_cached_vs_constant": 2.5, "p99_vs_feast": 0.2}
    figures, problems = concluded({**GOOD, **worse}, monkeypatch, capsys)
    assert list(figures) == list(proof.KEYS)
    assert problems == [
        "vs_bentoml is 11.5, and must be 12 or more.",
        "p99_vs_constant is 2.6, and must be 2.5 or less.",
        "p99_vs_feast is 0.2, and must be 0.1 or less.",
    ]


def test_a_peer_that_cannot_be_had_is_named_and_does_not_pass(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    without = {key: value for key, value in GOOD.items() if "feast" not in key and "bentoml" not in key}
    figures, problems = concluded(without, monkeypatch, capsys)
    assert figures["vs_feast"] is None
    assert problems == [f"{key} was not measured." for key in ("vs_feast", "vs_bentoml", "p99_vs_feast")]


async def test_a_load_at_a_rate_sends_no_more_than_that() -> None:
    async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                await reader.readuntil(b"\r\n\r\n{}")
                writer.write(ANSWER)
        except asyncio.IncompleteReadError:
            writer.close()

    async with await asyncio.start_server(converse, "127.0.0.1", 0) as server:
        load = await ask(server.sockets[0].getsockname()[1], "/", lambda: b"{}", seconds=0.5, rate=CONNECTIONS * 20)
    assert load.wrong == 0
    assert CONNECTIONS <= load.requests <= CONNECTIONS * 11

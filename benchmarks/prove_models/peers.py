"""Other products beside the service, each asked in turns with it for what both answer."""

from __future__ import annotations

import random
from contextlib import AbstractContextManager
from pathlib import Path

import httpx
import msgspec

from benchmarks.prove_models import bentoml_peer, feast_peer, rows
from benchmarks.prove_models.course import ROUNDS, Course, in_turns
from benchmarks.prove_models.installation import Missing
from benchmarks.prove_models.stage import Server
from benchmarks.report import say

JSON = {"content-type": "application/json"}


def against_feast(folder: Path, redis_url: str, server: Server) -> dict[str, float | None]:
    """50 features of one user; no figures where Feast cannot be had."""
    chance = random.Random()
    ours = Course(server, "/v1/features", lambda: msgspec.json.encode({"user": _user(chance)}))
    asked = {"features": feast_peer.NAMES}
    try:
        with feast_peer.feast(folder, redis_url) as other:
            theirs = Course(
                other,
                feast_peer.PATH,
                lambda: msgspec.json.encode({**asked, "entities": {"user": [_user(chance)]}}),
            )
            in_turns((ours, theirs), ROUNDS // 2)
    except Missing as error:
        say(f"Feast cannot be had here: {error}")
        return {}
    _tell("50 features", ours, theirs)
    return {"vs_feast": round(ours.against(theirs), 1), "p99_vs_feast": round(ours.waits_against(theirs), 3)}


def against_bentoml(folder: Path, redis_url: str, server: Server) -> dict[str, float | None]:
    """Three rows; no figure where BentoML cannot be had. The hastened one is told, and not judged."""
    try:
        found = _three_rows(server, bentoml_peer.bentoml(folder / "own", redis_url))
        _three_rows(server, bentoml_peer.bentoml(folder / "hastened", redis_url, hastened=True))
    except Missing as error:
        say(f"BentoML cannot be had here: {error}")
        return {}
    return {"vs_bentoml": round(found, 1)}


def _three_rows(server: Server, peer: AbstractContextManager[Server]) -> float:
    with peer as other:
        ours, theirs = Course(server), Course(other, bentoml_peer.PATH)
        _same_answer(ours, theirs)
        in_turns((ours, theirs), ROUNDS // 2)
    _tell("three rows", ours, theirs)
    return ours.against(theirs)


def _same_answer(ours: Course, theirs: Course) -> None:
    asked = ours.bodies()
    one, other = (_answer(course, asked) for course in (ours, theirs))
    if one != other:
        raise RuntimeError(f"{theirs.server.name} answers {other}, and the service answers {one}.")


def _answer(course: Course, body: bytes) -> object:
    headers = {**course.server.headers, **JSON}
    return httpx.post(course.server.url + course.path, content=body, headers=headers).raise_for_status().json()


def _tell(question: str, ours: Course, theirs: Course) -> None:
    for course in (ours, theirs):
        say(f"{course.server.name}, {question}: {course.said()}")
    requests, waits = ours.against(theirs), ours.waits_against(theirs)
    say(f"{requests:.1f} times the requests of {theirs.server.name}, and {waits:.3f} of its p99")


def _user(chance: random.Random) -> str:
    return rows.user(chance.randrange(rows.USERS))

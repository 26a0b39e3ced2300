"""A hash that changes with the code an answer comes from, and with nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from millrace.product import Product

EVENTS = "import millrace as mr\n"
NEAR = """
DEPTH = 5

def near(size: int) -> list[str]:
    return ["near"] * min(size, DEPTH)
"""
ENDPOINTS = """
from typing import Annotated

import msgspec
import millrace as mr
from . import near as nearby
from .near import near

class Ask(msgspec.Struct):
    user: str

class Answer(msgspec.Struct):
    items: list[str]

FIRST = "first"
WEIGHTS = {"near": (1, [2, 3]), "far": {4, (6, 7)}}
recommend = mr.EndpointType("recommend", Ask, Answer, unit="user")

def own() -> list[str]:
    return [FIRST]

@recommend.implementation
async def one(request: Ask) -> Answer:
    return Answer(own())

@recommend.implementation
async def other(request: Ask) -> Answer:
    return Answer([item for item in near(3)])
"""


ENDPOINTS += """
STEPS = (own, near)

def factory() -> dict[str, float]:
    return {"rate": 0.5}

@recommend.implementation
async def fourth(request: Ask, rates: Annotated[mr.ParametersReader, factory]) -> Answer:
    return Answer(list(await rates.get()))

@recommend.implementation
async def third(request: Ask) -> Answer:
    return Answer([item for step in STEPS[:1] for item in step()] if WEIGHTS else nearby.near(1))
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    place = tmp_path / "hashed"
    place.mkdir()
    (place / "events.py").write_text(EVENTS)
    (place / "near.py").write_text(NEAR)
    (place / "endpoints.py").write_text(ENDPOINTS)
    return place


def hashes(folder: Path) -> dict[str, str]:
    [kind] = Product.load(folder).endpoints
    return {name: item.hash for name, item in kind.implementations.items()}


def test_the_same_code_has_the_same_hash(folder: Path) -> None:
    first = hashes(folder)
    assert hashes(folder) == first
    assert all(len(found) == 8 for found in first.values())
    assert first["one"] != first["other"]


@pytest.mark.parametrize(
    ("file", "old", "new", "changed"),
    [
        ("endpoints.py", "Answer(own())", "Answer(own()[:1])", {"one"}),
        ("endpoints.py", "return [FIRST]", "return [FIRST, FIRST]", {"one", "third"}),
        ("endpoints.py", '"first"', '"second"', {"one", "third"}),
        ("near.py", '["near"]', '["far"]', {"other", "third"}),
        ("near.py", "DEPTH = 5", "DEPTH = 6", {"other", "third"}),
        ("endpoints.py", "items: list[str]", "items: list[str] = []", {"one", "other", "third", "fourth"}),
        ("endpoints.py", '"rate": 0.5', '"rate": 0.6', {"fourth"}),
        ("endpoints.py", "[2, 3]", "[2, 4]", {"third"}),
        ("endpoints.py", "{4,", "{5,", {"third"}),
        ("endpoints.py", "(6, 7)", "(6, 8)", {"third"}),
        ("endpoints.py", "{4, (6, 7)}", "[4, (6, 7)]", {"third"}),
        ("endpoints.py", "FIRST =", "UNUSED = 1\nFIRST =", set()),
    ],
)
def test_a_hash_changes_with_what_its_code_uses_and_with_nothing_else(
    folder: Path, file: str, old: str, new: str, changed: set[str]
) -> None:
    before = hashes(folder)
    text = (folder / file).read_text()
    assert old in text
    (folder / file).write_text(text.replace(old, new, 1))
    after = hashes(folder)
    assert {name for name in before if before[name] != after[name]} == changed

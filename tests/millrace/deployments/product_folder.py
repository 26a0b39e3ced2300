"""A small data product, written into a folder: a learner, and the endpoint type that asks what it learned."""

from __future__ import annotations

from pathlib import Path

EVENTS = """
import millrace as mr


class Tap(mr.Event, topic="{name}_taps", key="user"):
    user: str
    item: str
"""
LEARNERS = """
import millrace as mr

from .events import Tap


class {Name}Popular(mr.EventLearner[Tap]):
    popular = mr.Ranking("{name}_popular")

    def learn(self, event: Tap) -> None:
        self.popular.add_one("all", event.item, 1.0)
"""
ENDPOINTS = """
from datetime import timedelta
from typing import Annotated

import msgspec

import millrace as mr


class Ask(msgspec.Struct):
    user: str
    size: int = 3


class Items(msgspec.Struct):
    items: list[str]
    by: str = ""


{name} = mr.EndpointType(
    "{name}", Ask, Items, unit="user", deadline=timedelta(seconds=5), golden=[mr.Golden(Ask("u"), lambda answer: True)]
)


@{name}.implementation
async def popular(request: Ask, popular: Annotated[mr.RankingReader, "{name}_popular"]) -> Items:
    return Items([item for item, _ in await popular.top("all", request.size)], "first")
"""


def write(parent: Path, name: str) -> Path:
    """The product of this name: topic `NAME_taps`, storage `ranking/NAME_popular`, endpoint type `NAME`."""
    folder = parent / name
    folder.mkdir(parents=True)
    for file, text in {"events": EVENTS, "learners": LEARNERS, "endpoints": ENDPOINTS}.items():
        (folder / f"{file}.py").write_text(text.replace("{name}", name).replace("{Name}", name.title()))
    return folder


def replace(folder: Path, file: str, old: str, new: str) -> None:
    """Change a file, which must have what is replaced."""
    text = (folder / file).read_text()
    assert old in text, text
    (folder / file).write_text(text.replace(old, new))

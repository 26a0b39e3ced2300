"""A data product is a folder, loaded by name, and a wrong one says where."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from millrace.product import Product, ProductError

EVENTS = """
from datetime import datetime
import millrace as mr

class Click(mr.Event, topic="clicks", key="user"):
    user: str
    item: str
    at: datetime
"""
LEARNERS = """
import millrace as mr
from .events import Click

class Clicks(mr.EventLearner[Click]):
    clicks = mr.stream("clicks")
    counted = mr.Counters("clicked")

    def learn(self, event: Click) -> None:
        self.counted.add_one(event.item, "clicks")
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    place = tmp_path / "shop"
    place.mkdir()
    (place / "events.py").write_text(EVENTS)
    (place / "learners.py").write_text(LEARNERS)
    return place


def test_what_a_folder_declares_is_collected(folder: Path) -> None:
    (folder / "product.toml").write_text('[goals.click]\ntopic = "clicks"\nwindow = "30m"\n[extra]\nkey = 1\n')
    product = Product.load(folder)
    assert product.name == "shop"
    assert list(product.event_types) == ["clicks"]
    assert [learner.name for learner in product.learners] == ["clicks"]
    assert product.goals[0].window.total_seconds() == 1800
    assert product.options == {"extra": {"key": 1}}


def test_its_modules_do_not_shadow_the_packages_of_millrace(folder: Path) -> None:
    Product.load(folder)
    assert "learners" in sys.modules
    assert not str(sys.modules["learners"].__file__).startswith(str(folder))
    assert str(folder) not in sys.path


def test_a_changed_file_is_seen_at_once_even_within_the_same_second(folder: Path) -> None:
    Product.load(folder)
    (folder / "learners.py").write_text(LEARNERS.replace('"clicked"', '"clacked"'))
    assert Product.load(folder).learners[0].counted.name == "clacked"  # type: ignore[attr-defined]


def test_a_broken_file_is_named_and_the_earlier_modules_stay(folder: Path) -> None:
    Product.load(folder)
    before = sys.modules["millrace_products.shop.learners"]
    (folder / "learners.py").write_text("import millrace as mr\n\nraise ValueError('not today')\n")
    with pytest.raises(ProductError, match=r"learners.py:3: ValueError: not today"):
        Product.load(folder)
    assert sys.modules["millrace_products.shop.learners"] is before


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[goals.click]\nwindow = '30m'\n", r"\[goals.click\].*'topic'"),
        ("[goals.click]\ntopic = 'clicks'\nwindow = 'soon'\n", "'soon' is no duration"),
        ("[experiments.first]\nsplit = {a = 1}\n", r"\[experiments.first\]"),
        ("[[pages]]\npath = 'x'\n", r"\[\[pages\]\].*'title'"),
        ("=", "not valid TOML"),
    ],
)
def test_a_wrong_product_toml_is_named(folder: Path, text: str, message: str) -> None:
    (folder / "product.toml").write_text(text)
    with pytest.raises(ProductError, match=message):
        Product.load(folder)


def test_a_folder_that_is_no_product_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ProductError, match="no folder"):
        Product.load(tmp_path / "missing")
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(ProductError, match="no data product"):
        Product.load(empty)


def test_a_file_that_ends_the_process_is_refused_like_any_other_that_does_not_import(folder: Path) -> None:
    (folder / "learners.py").write_text("import sys\nsys.exit(0)\n")
    with pytest.raises(ProductError, match=r"learners\.py:2: SystemExit"):
        Product.load(folder)


def test_a_product_toml_that_is_no_text_is_refused(folder: Path) -> None:
    (folder / "product.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(ProductError, match="not valid TOML"):
        Product.load(folder)


def test_a_class_and_a_schema_of_one_topic_are_refused(folder: Path) -> None:
    (folder / "events").mkdir()
    Product.load(folder)
    schema = {"type": "record", "name": "Tap", "fields": [{"name": "user", "type": "string"}]}
    schema |= {"millrace.topic": "clicks"}
    (folder / "events" / "tap.avsc").write_text(json.dumps(schema))
    with pytest.raises(ProductError, match="Tap and Click are both events of clicks"):
        Product.load(folder)


def test_two_events_of_one_topic_are_refused(folder: Path) -> None:
    (folder / "events.py").write_text(EVENTS + EVENTS.partition("import millrace as mr")[2].replace("Click(", "Touch("))
    with pytest.raises(ProductError, match="Click and Touch are both events of clicks"):
        Product.load(folder)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[goals.click]\n", "goals.click.*lacks 'topic'"),
        ('[goals.click]\ntopic = "clicks"\nwindow = 30\n', "30 is no duration"),
        ('[experiments.e]\nendpoint = "x"\ngoal = "g"\nsplit = ["a"]\n', "experiments.e.*is wrong"),
        ("goals = 3\n", "product.toml"),
        ('[goal.click]\ntopic = "clicks"\n', r"Nobody reads \[goal\] in .*product.toml; did you mean \[goals\]?"),
        ("[storage]\nclicked = 'search'\n", r"Nobody reads \[storage\] in .*; did you mean \[storages\]?"),
        ('[goals.click]\ntopic = "clicks"\nfrist = true\n', "nobody reads 'frist'"),
        ('[experiments.e]\nendpoint = "x"\ngoal = "clik"\nsplit = {a = 1}\n', "'clik', which is not declared"),
        ("pages = 3\n", r"\[\[pages\]\] in .*product.toml is wrong"),
        ("pages = ['x']\n", r"\[\[pages\]\] in .*product.toml is wrong"),
    ],
)
def test_a_wrong_table_is_named(folder: Path, text: str, words: str) -> None:
    (folder / "product.toml").write_text(text)
    with pytest.raises(ProductError, match=words):
        Product.load(folder)

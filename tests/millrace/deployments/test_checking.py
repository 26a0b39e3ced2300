"""A product is checked in a process of its own, whatever its code does there."""

from __future__ import annotations

from pathlib import Path

import pytest

from millrace.deployments.checking import checked
from millrace.deployments.errors import DeploymentRefused
from millrace.deployments.loading import OnDisk
from tests.millrace.deployments import product_folder


@pytest.fixture
def product(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A product over storages in a file, of which there are none yet."""
    monkeypatch.setenv("MILLRACE_REDIS_URL", "")
    monkeypatch.setenv("MILLRACE_RELATIONAL_URL", f"sqlite:///{tmp_path}/relational.db")
    monkeypatch.setenv("MILLRACE_DEFAULT_TECHNOLOGY", "relational")
    return product_folder.write(tmp_path, "lively")


def test_a_report_says_what_is_declared_and_what_the_product_prints_is_no_part_of_it(product: Path) -> None:
    with (product / "endpoints.py").open("a") as file:
        file.write('print("{}")\n')
    product_folder.replace(product, "events.py", "import millrace", "from datetime import datetime\n\nimport millrace")
    product_folder.replace(product, "events.py", "item: str", "item: str\n    at: datetime")
    (product / "product.toml").write_text(
        '[goals.g]\ntopic = "lively_taps"\ndecision = "item"\n[experiments.e]\nendpoint = "lively"\ngoal = "g"\n'
        "split = { popular = 1 }\n[topics.lively_taps]\npartitions = 2\n"
    )
    report = checked(OnDisk(product))
    assert report.names.endpoints == ["lively"]
    assert "lively_popular" in report.names.learners
    assert report.topics["lively_taps"].wanted.partitions == 2
    assert report.declared["lively"][1] == ["popular"]
    assert report.left == ["Experiments of product.toml become drafts, which wait for somebody to start them: e."]


def test_what_loops_is_killed_and_what_fails_says_where(product: Path) -> None:
    product_folder.replace(product, "endpoints.py", "lambda answer: True", "lambda answer: answer.items")
    product_folder.replace(product, "endpoints.py", "popular: Annotated", "popular_: Annotated")
    product_folder.replace(product, "endpoints.py", "await popular.top", "await popular_.top")
    with (product / "endpoints.py").open("a") as file:
        file.write("\n\n@lively.implementation\nasync def nothing(request: Ask) -> Items:\n    return Items([])\n")
    with pytest.raises(
        DeploymentRefused, match="lively/nothing: golden request 1 was answered with what its predicate"
    ):
        checked(OnDisk(product))
    with (product / "endpoints.py").open("a") as file:
        file.write("\nwhile True:\n    pass\n")
    with pytest.raises(DeploymentRefused, match="took more than 3 s"):
        checked(OnDisk(product), patience=3)

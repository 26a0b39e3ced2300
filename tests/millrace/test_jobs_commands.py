"""`millrace jobs` on the command line, and the checks of `millrace check`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from learners.jobs import JobRefused
from millrace.cli import app
from millrace.jobs.product_jobs import ProductJobs

TOML = '# nightly\n[jobs.first]\ncommand = ["sh", "-c", "echo hello; exit 0"]\n'


@pytest.fixture
def product(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "books").mkdir()
    (tmp_path / "books" / "jobs.toml").write_text(TOML)
    return tmp_path / "books"


def said(*arguments: str, code: int = 0) -> str:
    result = CliRunner().invoke(app, ["jobs", *arguments], catch_exceptions=False)
    assert result.exit_code == code, result.output
    return result.output


@pytest.mark.slow
def test_a_job_is_added_run_and_looked_at(product: Path) -> None:
    more = ("--after", "first", "--cron", "0 3 * * *", "--retries", "1", "--loads", "relational/vectors/items=v.csv")

    said("add", "books", "second", *more, "--", "node", "train.mjs")
    assert "hello" in said("run", "books", "first")
    found = json.loads(said("status", "books", "--output", "json"))

    assert (product / "jobs.toml").read_text().startswith(TOML)
    assert {line["job"]: [run["state"] for run in line["runs"]] for line in found["jobs"]} == {
        "first": ["succeeded"],
        "second": [],
    }
    assert "hello" in said("logs", "books", "first")
    graph = json.loads(said("graph", "books", "--output", "json"))
    assert graph["edges"] == [["first", "second"], ["second", "relational/vectors/items"]]


def test_what_is_wrong_is_not_written_and_python_declares_jobs_too(product: Path) -> None:
    with pytest.raises(JobRefused, match="which never comes"):
        said("add", "books", "second", "--cron", "0 3 31 2 *", "--", "true")
    with pytest.raises(JobRefused, match="has a job first already"):
        said("add", "books", "first", "--", "true")
    said("add", "books", "second", "--loads", "redis", "--", "true", code=2)
    assert (product / "jobs.toml").read_text() == TOML

    (product / "jobs.py").write_text(
        "import millrace as mr\njobs = [mr.Job(name='third', command=['x'], after=['fist'])]\n"
    )
    with pytest.raises(JobRefused, match="third runs after 'fist', and there is no such job; did you mean first"):
        ProductJobs.load(product)
    with pytest.raises(JobRefused, match="did you mean first"):
        CliRunner().invoke(app, ["check", "books"], catch_exceptions=False)


def test_a_folder_with_jobs_alone_is_checked_and_needs_no_data_set(product: Path) -> None:
    assert CliRunner().invoke(app, ["check", "books"], catch_exceptions=False).output == "1 jobs can run: first\n"

    (product / "product.toml").write_text('[sources.prices]\npath = "prices.csv"\n')
    assert CliRunner().invoke(app, ["check", "books"], catch_exceptions=False).exit_code == 0

"""What the console asks of the process that knows of jobs: an answer is its own, whatever the product's code prints."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from millrace.jobs.child import JobsChild
from millrace.settings import Settings

PRINTING = """
import subprocess
import millrace as mr
print("how many there are")
subprocess.run(["echo", "today"])
jobs = [mr.Job(name="train", command=["true"])]
"""


@pytest.mark.slow
def test_what_a_product_prints_is_no_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "books"
    folder.mkdir()
    (folder / "jobs.py").write_text(PRINTING)

    with closing(JobsChild(folder, Settings())) as jobs:
        boards = [jobs.board() for _ in range(2)]

    assert [line["job"] for board in boards for line in board["jobs"]] == ["train", "train"]

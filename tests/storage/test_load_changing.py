"""A file that somebody writes to while it is loaded is not loaded, and the old version serves on."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from storage import Memory
from storage.errors import FileRefused
from storage.loads.descriptor import Given
from storage.loads.load import load
from tests.storage.load_stage import KINDS, written

ROWS = 120_000
Change = Callable[[Path], None]


def large(folder: Path, kind: str) -> Path:
    """A ranking of several pieces."""
    frame = pl.DataFrame({"member": [f"m{row}" for row in range(ROWS)]}).with_columns(
        key=pl.lit("all"), score=pl.int_range(0, ROWS, dtype=pl.Int64)
    )
    path = folder / f"large.{kind}"
    match kind:
        case "parquet":
            frame.write_parquet(path, row_group_size=20_000)
        case "arrow":
            frame.write_ipc(path, compression="uncompressed", record_batch_size=20_000)
        case "arrows":
            frame.write_ipc_stream(path)
        case "csv":
            frame.write_csv(path)
        case _:
            frame.write_ndjson(path)
    return path


def cut(path: Path) -> None:
    """To a half, at the end of a line where there are lines."""
    start = path.read_bytes()[: path.stat().st_size // 2]
    os.truncate(path, start.rindex(b"\n") + 1 if path.suffix in (".csv", ".ndjson") else len(start))


def append(path: Path) -> None:
    """As whoever has not finished writing it."""
    with path.open("ab") as file:
        file.write(b"\n")


def replace(path: Path) -> None:
    """By another file of the same length."""
    shutil.copyfile(path, path.with_suffix(".new"))
    path.with_suffix(".new").replace(path)


@pytest.mark.parametrize("change", [cut, append, replace])
@pytest.mark.parametrize("kind", KINDS)
def test_a_file_that_changes_meanwhile_is_not_loaded(tmp_path: Path, kind: str, change: Change) -> None:
    memory = Memory()
    before = load(memory, "ranking", "it", written(tmp_path, "csv", SMALL), Given(), "ada").descriptor
    path = large(tmp_path, kind)
    changed: list[int] = []

    def seen(rows: int, part: float) -> None:
        if not changed:
            changed.append(rows)
            change(path)

    with pytest.raises(FileRefused, match=f"large.{kind} was changed while it was loaded"):
        load(memory, "ranking", "it", path, Given(), "ada", seen=seen)
    assert 0 < changed[0] < ROWS
    assert memory.storages() == [before]
    assert memory.aliases()[("ranking", "it")].version == 1


def test_a_file_that_changes_once_it_is_read_to_its_end_is_not_loaded(tmp_path: Path) -> None:
    memory, path = Memory(), written(tmp_path, "csv", SMALL)
    with pytest.raises(FileRefused, match="was changed while it was loaded"):
        load(memory, "ranking", "it", path, Given(), "ada", seen=lambda rows, part: append(path))
    assert memory.storages() == []


def test_what_can_be_read_only_once_is_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.csv")
    for path in (tmp_path / "pipe.csv", Path("/dev/null")):
        with pytest.raises(FileRefused, match=r"is no regular file, .* write what comes from it to a file"):
            load(Memory(), "ranking", "it", path, Given(), "ada")


SMALL: dict[str, list[Any]] = {"key": ["a"], "member": ["x"], "score": [1.0]}

CUT_WHILE_MAPPED = """
import os, sys
from pathlib import Path
from storage.errors import FileRefused
from storage.loads.open import opened_file
from storage.loads.refusing import sound_pieces

path = Path(sys.argv[1])
pieces = sound_pieces(opened_file(path))
next(pieces)
os.truncate(path, 4096)
try:
    for piece in pieces:
        pass
except FileRefused as error:
    print(error)
"""


def test_an_arrow_file_that_is_cut_does_not_end_the_process(tmp_path: Path) -> None:
    path = tmp_path / "large.arrow"  # of one batch, which is mapped into memory
    frame = pl.DataFrame({"key": ["x" * 80] * 1_000_000})
    frame.write_ipc(
        path, compression="uncompressed", record_batch_size=frame.height, compat_level=pl.CompatLevel.oldest()
    )
    assert path.stat().st_size > 64 << 20
    run = subprocess.run(
        [sys.executable, "-c", CUT_WHILE_MAPPED, str(path)], capture_output=True, text=True, timeout=60, check=False
    )
    assert run.returncode == 0, run.stderr
    assert "large.arrow was changed while it was loaded" in run.stdout

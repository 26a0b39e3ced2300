"""A replica's copy on disk: written whole, checked when it is read, never run."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from serving.errors import SnapshotRefused
from serving.experiments.snapshot import LAYOUT, load, save

ROWS = {"first": '{"name": "first", "note": "Zoë"}'.encode(), "second": b"{}"}


def test_what_was_saved_is_loaded_and_nothing_else_is_left_in_the_folder(tmp_path: Path) -> None:
    path = tmp_path / "state" / "experiments.snapshot"
    assert load(path) == {}
    for rows in ({}, ROWS):
        save(path, rows)
        assert load(path) == rows
    assert [file.name for file in path.parent.iterdir()] == ["experiments.snapshot"]


def test_its_layout_is_the_documented_one(tmp_path: Path) -> None:
    save(tmp_path / "file", {"a": b"{}"})
    found = (tmp_path / "file").read_bytes()
    assert found[:4] == b"MREX"
    assert struct.unpack("<HHQ", found[4:16]) == (LAYOUT, 0, len(found) - 20)
    assert found[20:] == b'{"a":"{}"}'


def test_every_change_of_a_byte_and_every_cut_is_found(tmp_path: Path) -> None:
    path = tmp_path / "file"
    save(path, ROWS)
    found = path.read_bytes()
    for place in range(len(found)):
        if place in (6, 7):
            continue  # reserved
        path.write_bytes(found[:place] + bytes([found[place] ^ 1]) + found[place + 1 :])
        with pytest.raises(SnapshotRefused, match="file"):
            load(path)
        path.write_bytes(found[:place])
        with pytest.raises(SnapshotRefused):
            load(path)


def test_a_later_layout_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "file"
    save(path, ROWS)
    found = path.read_bytes()
    path.write_bytes(found[:4] + b"\x02\x00" + found[6:])
    with pytest.raises(SnapshotRefused, match="has the layout 2, and this release reads 1"):
        load(path)

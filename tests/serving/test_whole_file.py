"""A file is replaced as a whole or not at all."""

from __future__ import annotations

import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from serving.whole_file import put


def test_a_file_is_put_with_its_folder_in_the_place_of_what_a_link_leads_to(tmp_path: Path) -> None:
    file, link = tmp_path / "state" / "keys", tmp_path / "keys"
    link.symlink_to(file)
    put(link, b"one", 0o600)
    put(link, b"two", 0o600)
    assert link.is_symlink()
    assert file.read_bytes() == b"two"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert list(file.parent.iterdir()) == [file]


def test_what_cannot_take_its_place_leaves_nothing_behind(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    (folder / "full").mkdir(parents=True)
    with pytest.raises(OSError, match="folder"):
        put(folder, b"one")
    assert list(tmp_path.iterdir()) == [folder]


def test_of_those_who_put_it_at_once_one_is_the_last_and_all_of_it_is_his(tmp_path: Path) -> None:
    file, contents = tmp_path / "file", [bytes([number]) * 100_000 for number in range(16)]
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda content: put(file, content), contents))
    assert file.read_bytes() in contents
    assert list(tmp_path.iterdir()) == [file]

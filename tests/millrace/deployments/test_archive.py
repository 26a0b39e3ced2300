"""A product as it is sent: the same bytes for the same files, and nothing in it that is no text of a product."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from millrace.deployments import archive
from millrace.deployments.archive import Archive
from millrace.deployments.errors import DeploymentRefused


def packed(files: object) -> bytes:
    return gzip.compress(json.dumps(files).encode())


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("endpoints.py", "page/page.html", ".hidden.py", ".git/config.toml", "__pycache__/a.py", "model.bin"):
        path = tmp_path / "shop" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"# {name}: größer\n", "utf-8")
    return tmp_path / "shop"


def test_a_folder_is_sent_without_what_is_hidden_compiled_or_of_another_kind(folder: Path) -> None:
    found, left_out = Archive.of_folder(folder)
    assert list(found.files) == ["endpoints.py", "page/page.html"]
    assert left_out == ["model.bin"]


def test_what_is_unpacked_is_what_was_packed_and_has_its_hash(folder: Path, tmp_path: Path) -> None:
    sent, _ = Archive.of_folder(folder)
    received = Archive.of_bytes(sent.packed())
    assert (received, received.hash) == (sent, sent.hash)
    received.write(tmp_path / "there")
    again, _ = Archive.of_folder(tmp_path / "there")
    assert again.hash == sent.hash


def test_the_hash_is_of_the_files_whatever_packed_them_and_in_whatever_order() -> None:
    one = Archive.of_bytes(packed({"b.py": "2", "a.py": "1"}))
    other = Archive.of_bytes(gzip.compress(b'{ "a.py": "1", "b.py": "\\u0032" }', compresslevel=1))
    assert one.hash == other.hash
    assert Archive.of_bytes(packed({"a.py": "1", "b.py": "3"})).hash != one.hash


@pytest.mark.parametrize(
    "path",
    [
        "../a.py",
        "/etc/a.py",
        "a/../../b.py",
        "a//b.py",
        "./a.py",
        ".hidden/a.py",
        "a\\..\\b.py",
        "C:a.py",
        "a\n.py",
        "a\0.py",
        "-rf.py",
        "a.exe",
        "a",
        "/".join(["d"] * 9) + "/a.py",
        "d" * 200 + ".py",
        "",
    ],
)
def test_a_path_that_is_none_of_a_products_files_is_refused(path: str) -> None:
    with pytest.raises(DeploymentRefused):
        Archive.of_bytes(packed({path: "x"}))


@pytest.mark.parametrize(
    ("sent", "why"),
    [
        (b"no gzip", "not gzipped"),
        (packed({"a.py": "x"})[:-9], "cut off"),
        (packed({"a.py": "x"}) + b"more", "goes on"),
        (packed(["a.py"]), "no JSON object of texts"),
        (packed({"a.py": {"link": "/etc/passwd"}}), "no JSON object of texts"),
        (gzip.compress(b'{"a.py": "\xff"}'), "no JSON object of texts"),
        (gzip.compress(b'{"a.py": "\\ud800"}'), "no JSON object of texts"),
        (packed({}), "no file of a product"),
        (packed({"a.py": "x", "A.py": "y"}), "capitals"),
        (packed({"a.py": "x", "a.py/b.py": "y"}), "a file and a folder"),
        (packed({f"a{number}.py": "" for number in range(501)}), "more than 500 files"),
        (gzip.compress(b" " * (archive.UNPACKED + 2)), "unpacked"),
        (b"x" * (archive.PACKED + 1), "packed"),
    ],
    ids=map(str, range(13)),  # gzip writes the time, which would be in a name
)
def test_what_is_no_archive_of_a_product_is_refused(sent: bytes, why: str) -> None:
    with pytest.raises(DeploymentRefused, match=why):
        Archive.of_bytes(sent)


def test_a_bomb_is_refused_before_it_is_unpacked() -> None:
    bomb = gzip.compress(bytes(20 * archive.UNPACKED), compresslevel=1)
    assert len(bomb) < archive.PACKED
    with pytest.raises(DeploymentRefused, match="unpacked"):
        Archive.of_bytes(bomb)


def test_links_and_files_that_are_no_text_are_not_sent(folder: Path) -> None:
    (folder / "secrets.txt").symlink_to("/etc/hostname")
    with pytest.raises(DeploymentRefused, match=r"secrets\.txt is a link"):
        Archive.of_folder(folder)
    (folder / "secrets.txt").unlink()
    (folder / "latin.csv").write_bytes(b"gr\xf6\xdfer")
    with pytest.raises(DeploymentRefused, match=r"latin\.csv is no UTF-8"):
        Archive.of_folder(folder)

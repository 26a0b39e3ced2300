"""A product's own packages: pinned with hashes, installed beside, refused by name where they do not fit."""

from __future__ import annotations

import sys
from importlib import metadata
from pathlib import Path

import pytest

from millrace.deployments import packages
from millrace.deployments.archive import Archive
from millrace.deployments.errors import DeploymentConflict, DeploymentRefused
from millrace.deployments.shelf import Shelf
from tests.millrace.deployments.tiny_wheel import wheel

HASH = "--hash=sha256:" + "0" * 64


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of wheels from which pip installs, and from nowhere else."""
    folder = tmp_path / "wheels"
    folder.mkdir()
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


def test_a_lock_pins_what_this_interpreter_needs() -> None:
    lock = f"""
        # made by a tool
        One_Two==1.0 ; python_version > '3' \\
          {HASH} \\
          {HASH}  # via three
        three==2 ; sys_platform == 'x' {HASH}
    """
    assert [(pin.name, pin.version) for pin in packages.pins(lock)] == [("one-two", "1.0")]


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("numpy==2.0", "no SHA-256 hash for numpy"),
        (f"numpy>=2.0 {HASH}", "does not pin numpy"),
        (f"numpy==2.* {HASH}", "does not pin numpy"),
        (f"numpy==2.0 {HASH} --pre", "no SHA-256 hash"),
        (f"numpy @ https://example.org/numpy.whl {HASH}", "does not pin numpy"),
        ("--index-url https://example.org", "no pinned package"),
        ("-r other.txt", "no pinned package"),
        ("-e .", "no pinned package"),
    ],
)
def test_a_line_that_pins_no_package_with_hashes_is_refused(line: str, why: str) -> None:
    with pytest.raises(DeploymentRefused, match=why):
        packages.pins(line)


def test_a_package_that_the_service_has_in_another_version_is_a_conflict_that_names_both() -> None:
    numpy = metadata.version("numpy")
    pins = packages.pins(f"numpy==1.0.0 {HASH}\nmsgspec=={metadata.version('msgspec')} {HASH}\nnew==1 {HASH}\n")
    with pytest.raises(DeploymentConflict, match=rf"numpy 1\.0\.0, and the service has {numpy}"):
        packages.missing(pins, packages.versions("the service"), {})
    assert [pin.name for pin in packages.missing(pins[1:], packages.versions("the service"), {})] == ["new"]
    with pytest.raises(DeploymentConflict, match="new 1, and the product other has 2"):
        packages.missing(pins[1:], {}, {"new": ("2", "the product other")})


def test_packages_are_installed_beside_once_and_a_conflict_is_told(
    index: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given two products that pin one package in two versions
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(packages, "_used", set())
    shelf = Shelf(tmp_path / "shelf")
    one = Archive({"a.py": "", packages.LOCK: wheel(index, "1.0")})
    other = Archive({"a.py": "", packages.LOCK: wheel(index, "2.0")})
    for name, archive in {"one": one, "other": other}.items():
        shelf.put(name, archive)

    # When the first is placed, its package is in a folder of its own, and found once that is used
    place = shelf.place("one", one.hash)
    assert place.packages is not None
    assert shelf.place("one", one.hash) == place
    packages.use(place.packages)
    import tiny_millrace_test  # type: ignore[import-not-found]

    assert tiny_millrace_test.VERSION == "1.0"
    assert "tiny-millrace-test" not in packages.versions("the service")

    # Then the second conflicts with it in one process, and takes its place once the first has left
    with pytest.raises(DeploymentConflict, match=r"tiny-millrace-test 2\.0, and the product one has 1\.0"):
        shelf.place("other", other.hash, [("one", place.packages)])
    packages.leave(place.packages)
    second = shelf.place("other", other.hash).packages
    assert second is not None
    packages.use(second)
    import tiny_millrace_test as anew

    assert anew.VERSION == "2.0"
    packages.leave(second)


def test_a_package_that_cannot_be_had_leaves_nothing_behind(index: Path, tmp_path: Path) -> None:
    shelf = Shelf(tmp_path / "shelf")
    wheel(index, "1.0")
    archive = Archive({"a.py": "", packages.LOCK: f"tiny-millrace-test==1.0 {HASH}"})
    shelf.put("one", archive)
    with pytest.raises(DeploymentRefused, match="does not match the hashes"):
        shelf.place("one", archive.hash)
    assert list((tmp_path / "shelf" / "own-packages").iterdir()) == []

"""A technology is one file and one line of `KINDS`: settings, commands and service know it by that."""

from __future__ import annotations

import asyncio
from contextlib import closing
from pathlib import Path

import pytest
from typer.testing import CliRunner

from millrace.cli import app
from millrace.platform import Platform
from millrace.settings import Settings, SettingsError
from millrace.stack.plan import variables
from storage import RankingReader
from storage.kinds import KINDS, Kind

LINE = Kind("tests.millrace.shelf_technology")


@pytest.fixture(autouse=True)
def shelf(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> str:
    """The line, and the variable that says where it is; no other technology is set up."""
    address = f"shelf://{tmp_path}"
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(KINDS, "shelf", LINE)
    monkeypatch.setenv("MILLRACE_SHELF_URL", address)
    for name in ("REDIS", "RELATIONAL", "CASSANDRA", "SEARCH"):
        monkeypatch.setenv(f"MILLRACE_{name}_URL", "")
    return address


def says(*arguments: str) -> str:
    done = CliRunner().invoke(app, ["storages", *arguments], catch_exceptions=False)
    assert done.exit_code == 0
    return done.output


def test_its_storages_are_created_loaded_listed_and_read_by_commands(tmp_path: Path) -> None:
    (tmp_path / "foo.csv").write_text("key,member,score\nall,Heat,4\n", "utf-8")

    assert says("create", "shelf/ranking/foo") == "Created shelf/ranking/foo@1, empty.\n"
    assert "Loaded 1 rows of foo.csv into shelf/ranking/foo@2" in says("load", "shelf/ranking/foo", "foo.csv")
    assert "Heat" in says("read", "foo", "all")
    assert "shelf/ranking/foo@2" in says()


def test_the_service_reads_it_and_can_create_in_it(tmp_path: Path) -> None:
    (tmp_path / "foo.csv").write_text("key,member,score\nall,Heat,4\n", "utf-8")
    says("load", "shelf/ranking/foo", "foo.csv")

    async def read() -> list[tuple[str, float]]:
        async with platform.catalogue() as catalogue:
            await catalogue.refresh()
            return await catalogue.reader(RankingReader, "foo").top("all", 5)

    with closing(Platform(Settings.load())) as platform:
        assert asyncio.run(read()) == [("Heat", 4.0)]
        assert list(platform.technologies) == ["shelf"]


def test_its_address_may_stand_in_the_file_or_in_its_line(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, shelf: str
) -> None:
    file = tmp_path / "millrace.toml"
    file.write_text('shelf_url = "shelf:///there"\n', "utf-8")
    assert Settings.load(file, {}).addresses["shelf"] == "shelf:///there"
    assert Settings.load(environment={}).addresses["shelf"] == "shelf:///there"
    assert Settings.load().addresses["shelf"] == shelf
    file.unlink()
    monkeypatch.setitem(KINDS, "shelf", Kind(LINE.module, address="shelf:///usual"))
    assert Settings.load(environment={}).addresses["shelf"] == "shelf:///usual"


def test_children_are_told_its_address_and_what_is_no_technology_is_still_no_setting(tmp_path: Path) -> None:
    assert Settings.load(environment=variables(Settings.load())).addresses == Settings.load().addresses
    assert "shelf" not in repr(Settings.load())
    file = tmp_path / "millrace.toml"
    file.write_text("shlef_url = 'x'\n", "utf-8")
    with pytest.raises(SettingsError, match=r"'shlef_url', which is no setting; known are .*shelf_url"):
        Settings.load(file, {})


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("memory", "memory lives in one process and ends with it"),
        ("shlef", "There is no technology 'shlef'; set up are shelf."),
        ("redis", "redis is not set up; set up are shelf. Say where it is: redis_url in millrace.toml"),
    ],
)
def test_a_technology_that_is_not_set_up_gets_no_false_advice(tmp_path: Path, name: str, message: str) -> None:
    (tmp_path / "foo.csv").write_text("key,member,score\nall,Heat,4\n", "utf-8")

    done = CliRunner().invoke(app, ["storages", "load", f"{name}/ranking/foo", "foo.csv"])

    assert done.exit_code == 1
    assert message in str(done.exception)
    assert (f"{name}_url" in str(done.exception)) == (name == "redis")

"""`millrace storages`: storages created, looked at, switched, rolled back, deleted and collected, on a real Redis."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from storage import Address, Descriptor, Ranking, Technology, UnitId, Writes
from storage.technologies import opened
from tests.conftest import free_ports
from tests.millrace.command_line import Done, run


class Shell:
    """A folder in which commands are run."""

    def __init__(self, folder: Path, redis: str) -> None:
        self._folder = folder
        elsewhere = {"MILLRACE_RELATIONAL_URL": "", "MILLRACE_CASSANDRA_URL": "", "MILLRACE_SEARCH_URL": ""}
        self._variables = {**elsewhere, "MILLRACE_REDIS_URL": redis}

    def forget(self, variable: str) -> None:
        del self._variables[variable]

    def run(self, *arguments: str, typed: str = "") -> Done:
        return run(self._folder, "storages", *arguments, variables=self._variables, typed=typed)

    def says(self, *arguments: str, typed: str = "") -> str:
        done = self.run(*arguments, typed=typed)
        assert (done.returncode, done.stderr) == (0, ""), done.stderr
        return done.stdout

    def json(self, *arguments: str) -> Any:
        return json.loads(self.says(*arguments, "--output", "json"))

    def refuses(self, *arguments: str, typed: str = "") -> str:
        done = self.run(*arguments, typed=typed)
        assert done.returncode == 1
        assert done.stderr.startswith("millrace: ")
        assert done.stderr.count("\n") == 1
        return done.stderr


@pytest.fixture
def shell(tmp_path: Path, redis_clean: str) -> Shell:
    return Shell(tmp_path, redis_clean)


@pytest.fixture
def technology(redis_clean: str) -> Iterator[Technology]:
    with closing(opened("redis", redis_clean)) as technology:
        yield technology


def learned(technology: Technology, version: int) -> Descriptor:
    item = technology.declare(Ranking("popular").describe("popular", version, version, "clicks"))
    claim = technology.claim(UnitId("popular", version, version, "clicks", 0), f"owner-{version}")
    row = Address("ranking/popular", "all")
    technology.commit(claim, None, 7, Writes(scores={row: {"old": 1.0, f"v{version}": 2.0}}), 1_800_000_000_000)
    technology.point([item])
    return item


def test_a_storage_is_created_listed_shown_and_deleted(shell: Shell) -> None:
    assert shell.says("create", "redis/ranking/popular", "--half-life", "30d", "--size", "100") == (
        "Created redis/ranking/popular@1, empty.\n"
    )
    [row] = shell.json()
    assert (row["storage"], row["read"], row["rows"], row["writer"]) == ("redis/ranking/popular@1", True, 0, None)
    shown = shell.json("show", "popular")
    assert shown["options"] == {"half_life_ms": 2_592_000_000, "size": 100}
    assert "@" in shown["made_by"]
    assert "exists already, created by" in shell.refuses("create", "redis/ranking/popular")
    assert "nothing was deleted" in shell.refuses("delete", "popular", typed="populaire\n")
    asked = "all its versions, with all rows. Nothing brings them back.\nType popular to go on: "
    assert f"{asked}Deleted redis/ranking/popular: 1 version." in shell.says("delete", "popular", typed="popular\n")
    assert shell.json() == []


def test_what_cannot_be_created_is_one_sentence(shell: Shell, tmp_path: Path) -> None:
    assert "write technology/format/name" in shell.refuses("create", "popular")
    assert "ranking has no option --merge; it has --half-life, --size." in shell.refuses(
        "create", "redis/ranking/popular", "--merge", "sum"
    )
    assert "--half-life: 'soon' is no span" in shell.refuses("create", "redis/ranking/popular", "--half-life", "soon")
    assert "records needs --schema" in shell.refuses("create", "redis/records/films")
    assert "cannot be read as a schema" in shell.refuses("create", "redis/records/films", "--schema", "none.avsc")
    assert "cassandra is not set up" in shell.refuses("create", "cassandra/counters/clicks")
    schema = tmp_path / "film.avsc"
    schema.write_text('{"type": "record", "name": "Film", "fields": [{"name": "title", "type": "string"}]}')
    assert shell.json("create", "redis/records/films", "--schema", str(schema))["schema"]["name"] == "Film"


def test_versions_are_read_switched_and_rolled_back(shell: Shell, technology: Technology) -> None:
    for version in (1, 2):
        learned(technology, version)
    assert [(row["version"], row["state"]) for row in shell.json("versions", "popular")] == [
        ("@1", "ready"),
        ("@2", "read"),
    ]
    found = shell.json("read", "redis/ranking/popular", "all", "--size", "1")
    assert found == {"storage": "redis/ranking/popular@2", "key": "all", "value": [{"member": "v2", "score": 2.0}]}
    assert shell.json("read", "popular@1", "all")["value"][0]["member"] == "v1"
    assert "has no row 'nobody'" in shell.refuses("read", "popular", "nobody")
    shown = shell.json("show", "popular")
    assert [(place["partition"], place["position"]) for place in shown["positions"]] == [("clicks/0", 7)]
    assert shown["bytes"] > 0

    assert "stands for @1 now. To undo it: millrace storages switch redis/ranking/popular@2" in shell.says(
        "rollback", "popular"
    )
    assert shell.json("read", "popular", "all")["value"][0]["member"] == "v1"
    assert "stands for @2 now" in shell.says("switch", "popular@2")
    assert "Say which version" in shell.refuses("switch", "popular")
    assert "ready are: @1, @2" in shell.refuses("switch", "popular@9")
    assert "its learner popular@1 writes it" in shell.refuses("delete", "popular", "--yes")
    assert "2 versions" in shell.says("delete", "popular", "--yes", "--force")


def test_what_may_go_is_listed_before_it_is_collected(shell: Shell, technology: Technology) -> None:
    learned(technology, 1)
    learned(technology, 2)
    dead = technology.declare(
        Descriptor("redis", "counters", "load", 1, "load@1", 1, "", {}, None, "2026-11-25", "filling", "ada", 1)
    )
    wanted = [{"storage": dead.title, "state": "filling", "created": "2026-11-25"}]
    assert shell.json("collect", "--previous", "1", "--age", "0s", "--dry-run") == wanted
    assert shell.json("collect", "--previous", "0", "--age", "0s") == wanted, "a learner has just written version 1"
    assert shell.json("collect") == []
    assert len(technology.storages()) == 2
    assert "--age: 'soon' is no span of time" in shell.refuses("collect", "--age", "soon")


def test_a_store_that_is_away_is_named_with_what_has_set_its_address(shell: Shell, tmp_path: Path) -> None:
    port = free_ports(1)[0]
    away = Shell(tmp_path, f"redis://127.0.0.1:{port}/0")
    for command in ([], ["show", "popular"], ["create", "redis/counters/clicks"], ["rollback", "popular"]):
        message = away.refuses(*command)
        assert f"Redis at 127.0.0.1:{port}/0 (redis_url) " in message
        assert message.endswith("refused. redis_url is set by the variable MILLRACE_REDIS_URL.\n")
    file = tmp_path / "millrace.toml"
    file.write_text('redis_url = "redis:://127.0.0.1"')
    away.forget("MILLRACE_REDIS_URL")
    for command in ([], ["create", "redis/counters/clicks"]):
        assert away.refuses(*command).endswith(f" or unix://. redis_url is set by {file}.\n")
    file.unlink()
    shell.forget("MILLRACE_CASSANDRA_URL")
    problem = f"Neither {file} nor the variable MILLRACE_CASSANDRA_URL sets cassandra_url.\n"
    assert shell.refuses("show", "cassandra/counters/clicks").endswith(problem)


def test_in_a_folder_without_a_file_of_sqlite_its_absence_is_told(shell: Shell, tmp_path: Path) -> None:
    shell.forget("MILLRACE_RELATIONAL_URL")
    told = f"SQLite has no file in {tmp_path}: it is in .millrace of the folder in which a command is run."
    assert told in shell.run("list").stderr
    assert told in shell.refuses("show", "items")
    assert shell.json("list") == []
    shell.says("create", "relational/counters/items")
    assert "relational/counters/items@1" in shell.says("list")


def test_a_version_cannot_be_chosen_when_a_storage_is_created(shell: Shell) -> None:
    assert "begins with @1; write redis/ranking/foo without @3" in shell.refuses("create", "redis/ranking/foo@3")
    assert shell.json() == []


@pytest.mark.parametrize(
    ("option", "message"),
    [
        (["--metric", "dot"], "--metric is for vectors, not for ranking; leave it out."),
        (["--key", "member"], "--key is for records and documents, not for ranking"),
        (["--schema", "x.avsc"], "--schema is for records, not for ranking"),
    ],
)
def test_a_load_refuses_an_option_that_means_nothing_for_its_format(
    shell: Shell, tmp_path: Path, option: list[str], message: str
) -> None:
    (tmp_path / "foo.csv").write_text("key,member,score\nall,Heat,4\n", "utf-8")
    assert message in shell.refuses("load", "redis/ranking/foo", "foo.csv", *option)
    assert shell.json() == []


def test_a_load_does_not_change_what_makes_vectors_near(shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "items.ndjson").write_text('{"key": "a", "vector": [1.0, 2.0]}\n', "utf-8")
    shell.says("create", "redis/vectors/items", "--dimensions", "2")
    refused = shell.refuses("load", "redis/vectors/items", "items.ndjson", "--metric", "dot")
    assert "redis/vectors/items@1 has the metric cosine, which a load keeps" in refused
    assert "Loaded 1 rows" in shell.says("load", "redis/vectors/items", "items.ndjson", "--metric", "cosine")

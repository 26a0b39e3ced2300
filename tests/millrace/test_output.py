"""Listings and messages on a terminal of 80 columns, and where a program reads them. What is printed was often written
by somebody else: no text of theirs reaches the terminal as more than text."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from millrace.commands.output import Output, printable, say, write_rows
from tests.millrace.command_line import run

HOSTILE = "\x1b]0;pwned\x07\x1b[2J[red]x[/red]\u202e"
SHOWN = r"\x1b]0;pwned\x07\x1b[2J[red]x[/red]\u202e"
TITLE = "relational/vectors/viewer_embeddings_of_the_week@12"
ROW = {
    "storage": TITLE,
    "read": True,
    "rows": 1234567,
    "newest_event": "2026-11-25T21:04:05.123456+00:00",
    "writer": "load_vectors_viewer_embeddings_of_the_week@12",
}


@given(st.text(st.characters(exclude_categories=())))
def test_whatever_a_text_holds_a_terminal_is_given_printable_characters_alone(text: str) -> None:
    shown = printable(text)
    assert shown.replace("\n", "").isprintable()
    assert shown.encode().decode() == shown
    assert (shown == text) == text.replace("\n", "").isprintable()


def test_a_table_shows_control_characters_and_brackets_as_they_were_stored(capsys: pytest.CaptureFixture[str]) -> None:
    write_rows([{HOSTILE: HOSTILE, "[/nope]": "[/nope]"}], Output.TABLE, "")
    printed = capsys.readouterr().out
    assert printed.replace("\n", "").isprintable()
    assert printed.count(SHOWN) == 2
    assert printed.count("[/nope]") == 2


def test_a_line_shows_control_characters(capsys: pytest.CaptureFixture[str]) -> None:
    say(HOSTILE)
    assert capsys.readouterr().out == SHOWN + "\n"


def test_an_argument_that_is_no_text_is_refused_in_words() -> None:
    arguments: list[str | bytes] = [sys.executable, "-m", "millrace", "storages", "read", b"\xff"]
    done = subprocess.run(arguments, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "millrace: The argument b'\\xff' is no UTF-8 text; write it in UTF-8.\n"


@pytest.mark.parametrize("command", [["schemas", "list"], ["learn"], ["storages", "create", "--half-life"]])
def test_every_command_refuses_it(tmp_path: Path, command: list[str]) -> None:
    assert run(tmp_path, *command, os.fsdecode(b"\xff"), variables={}).returncode == 2


def test_an_error_shows_control_characters_of_what_it_names(tmp_path: Path) -> None:
    done = run(tmp_path, "storages", "create", f"redis/ranking/{HOSTILE}", variables={})
    assert done.returncode == 1
    assert done.stderr.replace("\n", "").isprintable()


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of 80 columns."""
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")


def shown(capsys: pytest.CaptureFixture[str], *rows: dict[str, object]) -> tuple[list[str], str]:
    """The lines without their colours, and what was said on the side."""
    write_rows(rows, Output.TABLE, "")
    out, err = capsys.readouterr()
    return re.sub(r"\x1b\[[\d;]*m", "", out).splitlines(), err


@pytest.mark.usefixtures("terminal")
def test_a_name_is_not_broken_and_what_finds_no_room_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    lines, said = shown(capsys, ROW, {**ROW, "storage": "redis/ranking/a@1", "read": False})

    assert [line.split()[0] for line in lines] == ["storage", TITLE, "redis/ranking/a@1"]
    assert max(map(len, lines)) <= 80
    assert " yes " in lines[1]
    assert said == "Not shown for want of width: newest event, writer; --output json has all of it.\n"


@pytest.mark.usefixtures("terminal")
def test_a_long_value_beside_a_name_goes_over_several_lines(capsys: pytest.CaptureFixture[str]) -> None:
    lines, said = shown(capsys, {"fact": "schema", "value": "a word or two " * 20})

    assert len(lines) > 4
    assert said == ""


def test_a_program_gets_one_line_for_each_row_with_every_column(capsys: pytest.CaptureFixture[str]) -> None:
    lines, said = shown(capsys, ROW, ROW)

    assert len(lines) == 3
    assert str(ROW["writer"]) in lines[1]
    assert re.search(r"  yes +1,234,567  2026-11-2\d \d\d:\d\d:05  ", lines[1])
    assert said == ""

"""docs/settings.md says which settings there are as the code has it."""

from __future__ import annotations

from pathlib import Path

from millrace.settings import known
from millrace.settings_table import settings_table

PAGE = Path(__file__).parents[2] / "docs" / "settings.md"


def test_the_page_has_the_table_of_the_code() -> None:
    page = PAGE.read_text("utf-8")
    assert f"<!-- settings -->\n{settings_table()}\n<!-- end of settings -->" in page, "run scripts/settings"


def test_every_setting_is_said_with_its_variable_and_its_meaning() -> None:
    lines = settings_table().splitlines()[2:]
    assert [line.split("`")[1] for line in lines] == list(known())
    for line in lines:
        assert len(line.split("|")[4].strip()) > 10, line

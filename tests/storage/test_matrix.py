"""docs/formats.md says what each technology holds as the code has it."""

from __future__ import annotations

from pathlib import Path

import pytest

from storage import FormatRefused
from storage.descriptor import Descriptor
from storage.kinds import KINDS
from storage.matrix import matrix
from storage.technologies import must_hold

PAGE = Path(__file__).parents[2] / "docs" / "formats.md"


def test_the_page_has_the_table_of_the_code() -> None:
    assert f"<!-- matrix -->\n{matrix()}\n<!-- end of matrix -->" in PAGE.read_text("utf-8"), "run scripts/matrix"


@pytest.mark.parametrize(
    ("name", "format", "why"), [(n, f, why) for n, k in KINDS.items() for f, why in k.refuses.items()]
)
def test_what_the_table_refuses_is_refused_with_these_words(name: str, format: str, why: str) -> None:
    plain = Descriptor(name, format, "x", 1, "", 1, "", {}, None, "2026-01-01T00:00:00+00:00")
    with pytest.raises(FormatRefused, match=why):
        must_hold(name, plain)
    assert f"- {name} refuses {format}: {why}." in matrix()

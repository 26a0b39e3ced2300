"""Text that is hostile, or only unusual: long cells, quotes, endless lines and deep nesting end in one sentence."""

from __future__ import annotations

import csv
import io
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from storage import Memory
from storage.errors import FileRefused
from storage.loads.descriptor import Given
from storage.loads.file import LONGEST
from storage.loads.load import load
from storage.loads.ndjson_file import DEEPEST

LONG = "x" * 200_000


def refusal(path: Path, content: str, format: str) -> str:
    """What the message says; nothing is left of the load."""
    path.write_text(content, "utf-8", newline="")
    memory = Memory()
    with pytest.raises(FileRefused) as refused:
        load(memory, format, "it", path, Given(), "ada")
    assert memory.storages() == []
    return str(refused.value)


@pytest.mark.parametrize(
    ("format", "content", "message"),
    [
        ("ranking", f"key,member,score\nk1,{LONG},1\nk2,y,zz\n", "line 3, column 'score': found 'zz', expected a fin"),
        ("records", f"key,a,b\nk1,{LONG},1\nk1,y,2\n", "line 3: found key 'k1' again, after line 2;"),
        ("records", f"key,a,b\nk1,{LONG},1\nk2,y\n", "line 3: found 2 columns, expected 3."),
        ("records", f'key,a\nk1,"{LONG * 70}"\n', "longer than 4 MiB"),
        (
            "records",
            "key,a,b,c,d,e\nk1," + ",".join(['"' + "\n".join(["x" * 999] * 3000) + '"'] * 5) + "\n",
            "longer than 4",
        ),
        ("ranking", 'key,member,score\nk1,"a"b,1\nk2,y,2\n', "after line 1: ',' expected after '\"'; is a quote mis"),
        ("ranking", 'key,member,score\nk1,y,1\nk2,"a"b,1\nk3,z,zz\n', "line 4, column 'score': found 'zz'"),
        ("ranking", "key,member,score\nk1,y,1\n" + "x" * (2 * LONGEST), "line 3: it is longer than 4 MiB."),
        ("ranking", "key,member" * LONGEST, "line 1: it is longer than 4 MiB."),
    ],
)
def test_csv_that_is_refused_by_its_line(tmp_path: Path, format: str, content: str, message: str) -> None:
    assert message in refusal(tmp_path / "t.csv", content, format)


def test_a_cell_of_hundreds_of_kilobytes_is_loaded(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text(f'key,a\nk1,{LONG}\nk2,"{LONG}"\n', "utf-8")
    assert load(Memory(), "records", "it", tmp_path / "t.csv", Given(), "ada").rows == 2


cells = st.text(st.sampled_from('ab"\n\r ,;é'), min_size=1, max_size=5)


@settings(max_examples=80)
@given(st.lists(cells, min_size=1, max_size=5, unique=True), st.sampled_from([csv.QUOTE_ALL, csv.QUOTE_MINIMAL]))
def test_whatever_text_a_csv_writer_quotes_is_loaded(keys: list[str], quoting: int) -> None:
    text = io.StringIO(newline="")
    csv.writer(text, quoting=quoting).writerows([["key", "member", "score"], *([key, "x", 1] for key in keys)])  # type: ignore[arg-type]
    memory = Memory()
    with TemporaryDirectory() as folder:
        path = Path(folder) / "t.csv"
        path.write_text(text.getvalue(), "utf-8", newline="")
        done = load(memory, "ranking", "it", path, Given(), "ada")
    assert {address.key for address, _ in memory.dump(done.descriptor)} == set(keys)


@settings(max_examples=40)
@given(st.text("ab,\n\r", min_size=0, max_size=3), st.text("ab ", min_size=1, max_size=3), st.integers(0, 3))
def test_text_behind_a_closing_quote_is_never_loaded(inside: str, behind: str, rows: int) -> None:
    before = "".join(f"k{row},y,1\n" for row in range(rows))
    content = f'key,member,score\n{before}"{inside}"{behind},y,1\nlast,y,1\n'
    with TemporaryDirectory() as folder:
        assert f"after line {rows + 1}: ',' expected after" in refusal(Path(folder) / "t.csv", content, "ranking")


@pytest.mark.parametrize("format", ["records", "documents"])
@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ('{"a":', "}")])
@pytest.mark.parametrize("deep", [DEEPEST, 500, 900, 100_000])
def test_what_is_nested_too_deep_is_refused_in_a_moment(
    tmp_path: Path, format: str, opening: str, closing: str, deep: int
) -> None:
    before = time.monotonic()
    message = refusal(tmp_path / "t.ndjson", f'{{"key":"k","x":{opening * deep}1{closing * deep}}}\n', format)
    assert "line 1" in message
    assert "nested" in message or "recursion" in message
    assert time.monotonic() - before < 5

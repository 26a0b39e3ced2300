"""The front door exports what its list says, and every name resolves."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import millrace


@pytest.mark.parametrize("name", millrace.__all__)
def test_every_exported_name_resolves(name: str) -> None:
    assert getattr(millrace, name) is not None


def test_the_list_the_lazy_table_and_the_typed_imports_agree() -> None:
    tree = ast.parse(Path(millrace.__file__).read_text("utf-8"))
    typed = {
        alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module not in ("__future__", "importlib", "typing")
        for alias in node.names
    }
    assert typed == set(millrace.__all__) == {name for names in millrace._HOME.values() for name in names}
    assert millrace.__all__ == sorted(millrace.__all__)


def test_an_unknown_name_says_so() -> None:
    with pytest.raises(AttributeError, match="no name 'Nothing'"):
        _ = millrace.Nothing


@pytest.mark.parametrize("name", millrace.__all__)
def test_no_module_has_the_name_of_what_is_exported_and_stands_in_its_place_once_it_is_imported(name: str) -> None:
    folder = Path(millrace.__file__).parent
    assert not (folder / f"{name}.py").exists()
    assert not (folder / name).exists()

"""Nothing here turns bytes into running code: no pickle, no eval, no loader that does the same under another name."""

from __future__ import annotations

import ast
from collections.abc import Iterator

import pytest

from tests.structure.test_imports import ROOMS, ROOT

FOLDERS = (*ROOMS, "clients", "examples", "benchmarks")
MODULES = {
    "pickle",
    "_pickle",
    "cPickle",
    "pickle5",
    "cloudpickle",
    "dill",
    "jsonpickle",
    "joblib",
    "marshal",
    "shelve",
}
BUILTINS = {"eval", "exec", "__import__"}
LOADERS = {"yaml.load", "yaml.unsafe_load", "yaml.full_load", "torch.load", "pandas.read_pickle", "pd.read_pickle"}


def findings(source: str) -> Iterator[str]:
    """What in a file's text could run what it reads."""
    for node in ast.walk(ast.parse(source)):
        yield from (f"line {getattr(node, 'lineno', 0)}: {what}" for what in _used(node))


def _used(node: ast.AST) -> Iterator[str]:
    names: list[str] = []
    if isinstance(node, ast.Import):
        names = [alias.name for alias in node.names]
    elif isinstance(node, ast.ImportFrom):
        names = [node.module or "", *(f"{node.module}.{alias.name}" for alias in node.names)]
    elif isinstance(node, ast.Constant) and isinstance(node.value, str):
        names = [node.value] if node.value in MODULES else []  # import_module("pickle")
    elif isinstance(node, ast.Call):
        called = ast.unparse(node.func)
        if called in BUILTINS | LOADERS or called.endswith(".read_pickle"):
            yield f"{called}()"
        if any(word.arg == "allow_pickle" and ast.unparse(word.value) != "False" for word in node.keywords):
            yield "allow_pickle"
    yield from (f"imports {name}" for name in names if name.partition(".")[0] in MODULES or name in LOADERS)


def test_no_package_unpickles_or_evaluates_anything() -> None:
    paths = [path for folder in FOLDERS for path in sorted((ROOT / folder).rglob("*.py"))]
    assert len(paths) > 200
    found = {str(path.relative_to(ROOT)): list(findings(path.read_text("utf-8"))) for path in paths}
    assert {path: what for path, what in found.items() if what} == {}


@pytest.mark.parametrize(
    "planted",
    [
        "import pickle",
        "import os, marshal",
        "from pickle import loads",
        "from joblib import load",
        "def f():\n    import shelve as s",
        "import dill.source",
        'import importlib\nimportlib.import_module("cloudpickle")',
        '__import__("os")',
        "eval('1')",
        "exec(code)",
        "import yaml\nyaml.load(text)",
        "from yaml import unsafe_load",
        "import numpy\nnumpy.load(file, allow_pickle=True)",
        "frame = pl.read_pickle(file)",
    ],
)
def test_a_planted_one_is_found(planted: str) -> None:
    assert list(findings(planted))


@pytest.mark.parametrize(
    "harmless", ["import json", "yaml.safe_load(text)", "model.eval()", "np.load(f, allow_pickle=False)"]
)
def test_what_only_looks_like_it_is_not(harmless: str) -> None:
    assert not list(findings(harmless))

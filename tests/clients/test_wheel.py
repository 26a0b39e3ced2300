"""The wheel `millrace-client` in a fresh environment: what it brings, and what it needs."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from importlib.metadata import requires
from pathlib import Path
from zipfile import ZipFile

import pytest
from relocation import ROOMS, relocate

NEEDED = {"httpx", "msgspec"}
ALSO_FOR_KAFKA = {"confluent_kafka", "fastavro"}
FOR_FRAMES = {"polars"}
"""Imported by the platform alone, where an event type makes frames; no client gets there."""


def run(python: Path, code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([python, "-c", code], cwd="/", capture_output=True, text=True, check=False)


def imported(file: Path) -> set[str]:
    """First parts of what a module imports."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found |= {item.name.partition(".")[0] for item in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add((node.module or "").partition(".")[0])
    return found


@pytest.fixture(scope="module")
def modules(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("relocated")
    relocate(folder)
    return sorted(folder.rglob("*.py"))


def test_it_brings_one_package_and_none_of_the_platforms(wheel: Path) -> None:
    with ZipFile(wheel) as archive:
        names = {name.partition("/")[0] for name in archive.namelist()}
    assert names == {"millrace_client", "millrace_client-0.1.0.dist-info"}


def test_what_it_imports_is_in_it_or_declared(modules: list[Path]) -> None:
    found = set().union(*(imported(file) for file in modules))
    assert found - sys.stdlib_module_names == {"millrace_client"} | NEEDED | ALSO_FOR_KAFKA | FOR_FRAMES


def test_it_is_small(modules: list[Path]) -> None:
    assert sum(file.stat().st_size for file in modules) < 165_000


def test_what_it_needs_the_platform_needs_in_the_same_versions(wheel: Path) -> None:
    with ZipFile(wheel) as archive:
        metadata = archive.read("millrace_client-0.1.0.dist-info/METADATA").decode()
    wanted = set(re.findall(r"^Requires-Dist: ([\w-]+>=[\d.]+)", metadata, re.MULTILINE))
    assert {re.split("[<>=]", text)[0].replace("-", "_") for text in wanted} == NEEDED | ALSO_FOR_KAFKA
    assert wanted <= {text.partition(";")[0].strip() for text in requires("millrace") or ()}


def test_in_a_fresh_environment_it_is_found_and_the_platform_is_not(fresh_python: Path) -> None:
    code = f"""
import importlib.util, millrace_client as mr
assert [getattr(mr, name) for name in mr.__all__]
assert not [name for name in {(*ROOMS, "storage", "learners")!r} if importlib.util.find_spec(name)]
print(mr.__file__)
"""
    result = run(fresh_python, code)
    assert result.returncode == 0, result.stderr
    assert "fresh" in result.stdout


def test_events_and_questions_need_none_of_the_heavy_libraries(fresh_python: Path) -> None:
    code = """
import sys
for missing in ("polars", "numpy", "pyarrow", "fastavro", "confluent_kafka", "starlette"):
    sys.modules[missing] = None
import millrace_client as mr
class Click(mr.Event, topic="clicks", key="user"):
    user: str
print(Click("u1"), mr.Client, Click.avro_schema())
"""
    result = run(fresh_python, code)
    assert result.returncode == 0, result.stderr


def test_without_kafkas_client_a_producer_says_what_to_install_or_to_do_instead(fresh_python: Path) -> None:
    code = """
import sys
sys.modules["confluent_kafka"] = None
import millrace_client as mr
try:
    mr.Producer()
except mr.MillraceError as error:
    print(error)
"""
    result = run(fresh_python, code)
    assert "needs confluent_kafka; install millrace-client[kafka]" in result.stdout, result.stderr
    assert 'Producer(service="http://...")' in result.stdout

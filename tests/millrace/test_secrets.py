"""No command, page, record, log or command line of a process shows a password that its settings hold."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import psutil
import pytest

from millrace.settings import Settings, SettingsError
from streams import Kafka
from tests.conftest import free_ports
from tests.millrace import command_line
from tests.plain import PLAIN

SENTINEL = "SENTINEL"
MOVIES = Path(__file__).parents[2] / "examples" / "movies"
PAGES = ("/metrics", "/readyz", "/healthz", "/storages", "/v1", "/openapi.json", "/console", "/console/storages")


def secret_settings() -> dict[str, str]:
    """The environment of a platform of which nothing answers, with a password in each address."""
    kafka, registry, redis, postgresql, service = free_ports(5)
    return {
        "MILLRACE_KAFKA": f"127.0.0.1:{kafka},127.0.0.1:{kafka}",
        "MILLRACE_REGISTRY_URL": f"http://user:{SENTINEL}@127.0.0.1:{registry}",
        "MILLRACE_REDIS_URL": f"redis://user:{SENTINEL}@127.0.0.1:{redis}/0",
        "MILLRACE_RELATIONAL_URL": f"postgresql://user:{SENTINEL}@127.0.0.1:{postgresql}/rows",
        "MILLRACE_SERVICE_PORT": str(service),
    }


@pytest.mark.parametrize(
    "command", [["status"], ["status", "--output", "json"], ["storages"], ["schemas", "list"], ["down"]]
)
def test_no_command_shows_a_password(tmp_path: Path, command: list[str]) -> None:
    done = command_line.run(tmp_path, *command, variables=secret_settings())
    assert SENTINEL not in done.stdout + done.stderr
    if command[-1] == "json":
        assert json.loads(done.stdout)["redis"]["address"].startswith("redis://user:***@127.0.0.1:")
    assert not any(SENTINEL in file.read_text("utf-8") for file in tmp_path.rglob("*.json"))


def test_a_models_service_shows_no_password_on_any_page_nor_to_who_lists_processes(tmp_path: Path) -> None:
    environment = secret_settings()
    address = f"http://127.0.0.1:{environment['MILLRACE_SERVICE_PORT']}"
    with running(tmp_path, environment, "serve", str(MOVIES)) as process:
        until = time.monotonic() + 60
        while time.monotonic() < until:
            assert process.poll() is None, (tmp_path / "log").read_text("utf-8")
            try:
                if "redis" in httpx.get(f"{address}/console/storages", timeout=10, verify=PLAIN).text:
                    break
            except httpx.TransportError:
                time.sleep(0.05)
        for page in PAGES:
            answer = httpx.get(address + page, timeout=10, follow_redirects=True, verify=PLAIN)
            assert SENTINEL not in answer.text + str(answer.headers), page
        assert SENTINEL not in commands(process)
    assert SENTINEL not in (tmp_path / "log").read_text("utf-8")


def test_a_workers_processes_are_told_no_password_on_their_command_lines(tmp_path: Path) -> None:
    with running(tmp_path, secret_settings(), "learn", str(MOVIES)) as process:
        until = time.monotonic() + 60
        while "worker" not in (seen := commands(process)) and time.monotonic() < until:
            time.sleep(0.02)
        assert "worker" in seen
        assert SENTINEL not in seen
        while "registry" not in (tmp_path / "log").read_text("utf-8") and time.monotonic() < until:
            time.sleep(0.02)
    assert "registry" in (tmp_path / "log").read_text("utf-8")
    assert SENTINEL not in (tmp_path / "log").read_text("utf-8")


def test_settings_do_not_show_what_may_hold_a_password() -> None:
    settings = Settings.load(environment=secret_settings())
    kafka = Kafka("broker:9092", {"sasl.password": SENTINEL})
    assert SENTINEL not in f"{settings!r} {settings} {kafka!r}"
    assert "service_port" in repr(settings)


@pytest.mark.parametrize(
    ("text", "variables"),
    [
        ("", {"MILLRACE_KAFKA_OPTIONS": f"sasl.password={SENTINEL}"}),
        (f'redis_url = ["redis://:{SENTINEL}@host"]', {}),
        (f'kafka_options = "sasl.password={SENTINEL}"', {}),
        (f'redis_url = "redis://:{SENTINEL}@host', {}),
    ],
)
def test_a_wrong_setting_is_named_and_its_value_is_not_told(
    tmp_path: Path, text: str, variables: dict[str, str]
) -> None:
    file = tmp_path / "millrace.toml"
    file.write_text(text)
    with pytest.raises(SettingsError) as refused:
        Settings.load(file, variables)
    assert SENTINEL not in str(refused.value)
    assert SENTINEL not in str(refused.value.__cause__)


@contextmanager
def running(folder: Path, environment: dict[str, str], *command: str) -> Iterator[subprocess.Popen[bytes]]:
    """A command of ours for the time of the block, its output in the file "log"."""
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "millrace", *command],
            cwd=folder,
            env={**os.environ, **environment},
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    try:
        yield process
    finally:
        process.terminate()
        process.wait(30)


def commands(process: subprocess.Popen[bytes]) -> str:
    """The command lines of a process and its children."""
    lines = []
    for one in (psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)):
        try:
            lines += one.cmdline()
        except psutil.Error:  # it has ended
            continue
    return " ".join(lines)

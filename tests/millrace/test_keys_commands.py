"""`millrace keys`, and a real service that asks for what they made."""

from __future__ import annotations

import json
import stat
from pathlib import Path
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner, Result

from millrace.cli import app
from millrace.service import access_of
from millrace.settings import Settings
from schemas.errors import MillraceError
from serving.errors import InsecureService, KeysBroken
from tests.millrace.served import FIXED, served
from tests.plain import PLAIN
from tests.waiting import until


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where commands run."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def keys(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["keys", *arguments], catch_exceptions=False)


def listed() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(keys("list", "--output", "json").stdout)
    return found


def test_whose_first_key_opens_the_console_is_not_told_to_make_one(folder: Path) -> None:
    made = keys("create", "console", "--scope", "admin")
    assert "holds the first key" in made.stderr
    assert "make one" not in made.stderr


def test_a_secret_is_printed_once_and_alone(folder: Path) -> None:
    made = keys("create", "shop", "--scope", "answer", "--scope", "emit", "--rate", "500/s", "--expires", "90d")
    secret = made.stdout.strip()
    assert secret.startswith("mk_")
    assert "holds the first key" in made.stderr
    assert "For the console make one with the scope admin" in made.stderr
    file = folder / "millrace-keys.json"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert secret not in file.read_text("utf-8") + keys("list").stdout
    [shop] = listed()
    assert (shop["name"], shop["scopes"], shop["rate"], shop["state"]) == ("shop", "answer, emit", "500/s", "good")


def test_keys_are_rotated_with_an_overlap_and_revoked(folder: Path) -> None:
    first = keys("create", "shop", "--scope", "answer").stdout
    second = keys("rotate", "shop", "--overlap", "1h")
    assert second.stdout != first
    assert "The secret before is good until" in second.stderr
    assert listed()[0]["state"].startswith("two secrets until")
    keys("rotate", "shop", "--overlap", "0s")
    assert listed()[0]["state"] == "good"
    assert "No key is left" in keys("revoke", "shop").stdout
    assert listed() == []


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["create", "shop", "--scope", "everything"], "no scope 'everything'; scopes are answer, emit, deploy, admin"),
        (["create", "shop", "--scope", "answer", "--rate", "fast"], "no rate"),
        (["create", "shop", "--scope", "answer", "--expires", "soon"], "--expires: 'soon' is no span"),
        (["create", "a b", "--scope", "answer"], "'a b' is none"),
        (["create", "there", "--scope", "answer"], "There is a key there"),
        (["rotate", "nobody"], "There is no key 'nobody'; there are there"),
        (["revoke", "nobody"], "There is no key 'nobody'"),
    ],
)
def test_what_cannot_be_made_is_said_and_nothing_changes(folder: Path, arguments: list[str], why: str) -> None:
    keys("create", "there", "--scope", "admin")
    before = (folder / "millrace-keys.json").read_bytes()
    with pytest.raises(MillraceError, match=why):
        keys(*arguments)
    assert (folder / "millrace-keys.json").read_bytes() == before


def asked(address: str, secret: str) -> int:
    headers = {"authorization": f"Bearer {secret}"} if secret else {}
    return httpx.post(f"{address}/v1/ask", json={"user": "u1"}, headers=headers, timeout=30.0, verify=PLAIN).status_code


def test_a_running_service_follows_its_keys_and_tells_no_secret(folder: Path) -> None:
    with served(folder, FIXED) as service:
        address = service.url
        assert asked(address, "") == 200
        first = keys("create", "shop", "--scope", "answer").stdout.strip()
        until(lambda: asked(address, "") == 401)
        assert asked(address, first) == 200
        second = keys("rotate", "shop").stdout.strip()
        until(lambda: asked(address, second) == 200)
        assert asked(address, first) == 200

        command = ["endpoints", "check", "product", "--against", address]
        shown = CliRunner().invoke(app, command, env={"MILLRACE_API_KEY": second}, catch_exceptions=False)
        assert shown.stdout == "ask: compatible\n"
        with pytest.raises(MillraceError, match=r"needs a key of any scope.* Give one as MILLRACE_API_KEY"):
            CliRunner().invoke(app, command, catch_exceptions=False)
        environment = {"MILLRACE_API_KEY": second}
        with pytest.raises(MillraceError, match=r"refuses the key that was given: .* Give another one as MILLRACE_API"):
            CliRunner().invoke(app, ["deployments", "--to", address], env=environment, catch_exceptions=False)
        keys("revoke", "shop")
        until(lambda: asked(address, second) == 401)
    log = service.log.read_text("utf-8")
    assert first not in log
    assert second not in log
    assert "Keys were read again" in log


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        (Settings(service_host="0.0.0.0"), "allow_insecure_service = true"),
        (Settings(service_host=""), "would listen on every address"),
        (Settings(service_host="models.example"), "would listen on models.example"),
        (Settings(keys_file=Path("named.json")), "There is no file of keys named.json"),
        (Settings(keys_file=Path("broken.json")), "broken.json cannot be used"),
    ],
)
def test_a_service_that_strangers_could_change_does_not_start(folder: Path, settings: Settings, why: str) -> None:
    (folder / "broken.json").write_text("{")
    with pytest.raises((InsecureService, KeysBroken), match=why):
        access_of(settings)


def test_off_this_machine_it_starts_with_keys_or_where_it_is_told_to(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert not access_of(Settings(service_host="::1")).keyed
    assert not access_of(Settings(service_host="0.0.0.0", allow_insecure_service=True)).keyed
    assert [record for record in caplog.records if record.levelname != "INFO"] == []
    keys("create", "console", "--scope", "admin")
    assert access_of(Settings(service_host="0.0.0.0")).keyed
    assert "plain text; put a proxy with TLS before it" in caplog.text

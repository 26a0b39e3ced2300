"""Settings come from the file, then the environment, and a wrong one is named."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import pytest

from millrace.platform import Platform
from millrace.settings import Settings, SettingsError
from millrace.stack.plan import variables
from storage.errors import InsecureStore


def test_defaults_are_the_local_stack_on_loopback() -> None:
    settings = Settings.load(environment={})
    assert settings.kafka == "127.0.0.1:19092"
    assert settings.service_url == "http://127.0.0.1:18080"


def test_the_environment_wins_over_the_file(tmp_path: Path) -> None:
    file = tmp_path / "millrace.toml"
    file.write_text('kafka = "file:1"\nservice_port = 1\n')
    settings = Settings.load(file, {"MILLRACE_KAFKA": "environment:2", "MILLRACE_HOME": "ignored"})
    assert (settings.kafka, settings.service_port) == ("environment:2", 1)


def test_kafka_options_pass_through_by_their_own_names(tmp_path: Path) -> None:
    file = tmp_path / "millrace.toml"
    file.write_text('[kafka_options]\n"security.protocol" = "SSL"\n')
    assert Settings.load(file, {}).kafka_options == {"security.protocol": "SSL"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("kafak = 'x'", "'kafak', which is no setting"),
        ("service_port = 'http'", "service_port to 'http', which is no int"),
        ("service_port = -1", "service_port to -1"),
        ("consumer_protocol = 'newest'", "'newest'; possible are classic, consumer"),
        ("worker_memory_mb = 8", "worker_memory_mb to 8; it must be 32 or more"),
        ("commit_interval_ms = 0", "commit_interval_ms to 0; it must be 1 or more"),
        ("commit_interval_ms = 10000", "commit_interval_ms to 10000; it must be 2000 or less"),
        ("kafka = 3", "put it in quotes"),
        ("kafka = ", "not valid TOML"),
    ],
)
def test_a_wrong_setting_is_named(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "millrace.toml"
    file.write_text(text)
    with pytest.raises(SettingsError, match=message):
        Settings.load(file, {})


def test_a_file_that_was_asked_for_must_exist(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="no settings file"):
        Settings.load(tmp_path / "other.toml", {})


@pytest.mark.parametrize(("said", "meant"), [("true", True), ("1", True), ("False", False), ("no", False)])
def test_a_switch_is_said_in_the_usual_words(said: str, meant: bool) -> None:
    assert Settings.load(environment={"MILLRACE_ALLOW_INSECURE_STORES": said}).allow_insecure_stores is meant
    with pytest.raises(SettingsError, match="no bool"):
        Settings.load(environment={"MILLRACE_ALLOW_INSECURE_STORES": f"not {said}"})


def test_a_platform_opens_no_store_that_strangers_could_write_unless_it_is_told_to() -> None:
    address = "redis://db.example.com:6379/0"
    platform = Platform(Settings(redis_url=address))
    for side in (platform.technologies, platform.reads()):
        with pytest.raises(InsecureStore, match="allow_insecure_stores"):
            side["redis"]
    told = Platform(Settings(redis_url=address, allow_insecure_stores=True))
    assert told.technologies["redis"].name == "redis"
    assert told.reads()["redis"] is not None
    told.close()


def test_children_are_told_the_same() -> None:
    environment = variables(Settings(allow_insecure_stores=True))
    assert Settings.load(environment=environment).allow_insecure_stores


def test_every_path_is_right_for_a_process_that_works_in_another_folder(tmp_path: Path) -> None:
    (tmp_path / "millrace.toml").write_text(
        '[kafka_options]\n"ssl.ca.location" = "ca.pem"\n"ssl.key.location" = "/keys/us.pem"\n'
        '"https.ca.location" = "probe"\n"security.protocol" = "SSL"\n'
        '[archive_options]\nAWS_REGION = "eu"\nAWS_WEB_IDENTITY_TOKEN_FILE = "token"\n'
    )
    paths = [item.name for item in fields(Settings) if "Path" in str(item.type)]
    given = {f"MILLRACE_{name.upper()}": "kept" for name in paths}

    found = Settings.load(environment={"MILLRACE_FOLDER": str(tmp_path), **given})

    assert {getattr(found, name) for name in paths} == {tmp_path / "kept"}
    assert found.kafka_options == {
        "ssl.ca.location": f"{tmp_path}/ca.pem",
        "ssl.key.location": "/keys/us.pem",
        "https.ca.location": "probe",
        "security.protocol": "SSL",
    }
    assert found.archive_options == {"AWS_REGION": "eu", "AWS_WEB_IDENTITY_TOKEN_FILE": f"{tmp_path}/token"}
    assert Settings.load(environment={"MILLRACE_FOLDER": str(tmp_path)}).intake_spool_dir == Path()


def test_a_folder_that_is_named_says_the_settings_and_where_relative_paths_are(tmp_path: Path) -> None:
    (tmp_path / "millrace.toml").write_text('kafka = "file:1"\narchive_url = "kept"\n')
    found = Settings.load(environment={"MILLRACE_FOLDER": str(tmp_path)})
    assert (found.kafka, found.archive_url, found.state_dir) == (
        "file:1",
        str(tmp_path / "kept"),
        tmp_path / ".millrace",
    )
    assert found.relational_url == f"sqlite:///{tmp_path}/.millrace/relational.db"
    away = {
        "MILLRACE_FOLDER": str(tmp_path),
        "MILLRACE_ARCHIVE_URL": "s3://a/b",
        "MILLRACE_RELATIONAL_URL": "postgresql://c",
    }
    found = Settings.load(environment=away)
    assert (found.archive_url, found.relational_url) == ("s3://a/b", "postgresql://c")

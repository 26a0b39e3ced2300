"""The container file and docker-compose.yml keep to the rooms and ports that the rest of the project names.

Whether they really start is tried by hand where a container engine is: no test here needs one.
"""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

from millrace.settings import Settings

ROOT = Path(__file__).parents[2]
COMPOSE = (ROOT / "docker-compose.yml").read_text("utf-8")
CONTAINERFILE = (ROOT / "deploy" / "Containerfile").read_text("utf-8")
ROOMS = ("schemas", "streams", "learners", "storage", "serving", "millrace")


def test_every_port_is_on_loopback_and_that_of_the_settings() -> None:
    published = re.findall(r'ports: \["(.+?)"\]', COMPOSE)
    assert len(published) == COMPOSE.count("ports:") == 6
    outside = {
        port.removeprefix("127.0.0.1:").rpartition(":")[0] for port in published if port.startswith("127.0.0.1:")
    }
    assert outside == {"19092", "18081", "16379", "15432", "19042", "${MILLRACE_SERVICE_PORT:-18080}"}
    settings = Settings()
    for address in (settings.kafka, settings.registry_url, settings.redis_url, settings.service_url):
        assert any(port.strip("}").endswith(re.findall(r":(\d+)", address)[0]) for port in outside)


def test_every_setting_that_the_containers_get_is_one() -> None:
    names = {item.name for item in fields(Settings)}
    asked = {"service_port", "postgresql_password"}  # of who starts them, in the shell
    assert {name.lower() for name in re.findall(r"MILLRACE_(\w+):", COMPOSE)} - asked <= names


def test_the_image_holds_every_room_and_the_locked_packages() -> None:
    copied = set(re.findall(r"^COPY (\w+) \1$", CONTAINERFILE, re.MULTILINE))
    assert copied == set(ROOMS)
    assert "--require-hashes -r requirements.lock" in CONTAINERFILE
    assert re.search(r"^USER (?!root)", CONTAINERFILE, re.MULTILINE)

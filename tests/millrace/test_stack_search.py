"""The local OpenSearch: whose it is to run, what its home is made of, and that it finds words and vectors."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import httpx
import pytest

from millrace.settings import Settings
from millrace.stack.artefacts import OPENSEARCH
from millrace.stack.plan import addresses, servers
from millrace.stack.search import SearchServer
from millrace.stack.unprivileged import unprivileged


@pytest.mark.parametrize(
    ("url", "runs"),
    [
        ("", False),
        ("http://127.0.0.1:19200", True),
        ("http://localhost", True),
        ("http://search.example:9200", False),
        ("https://127.0.0.1:9200", False),
        ("http://user:secret@127.0.0.1:9200", False),
    ],
)
def test_it_runs_here_only_where_the_settings_say_loopback_and_nothing_secret(
    tmp_path: Path, url: str, runs: bool
) -> None:
    settings = Settings(search_url=url, state_dir=tmp_path)
    assert ("search" in servers(settings)) is runs
    assert ("search" in addresses(settings)) is bool(url)


def test_every_file_has_its_folder_in_the_home() -> None:
    folders = {file.folder.partition("/")[0] for file in OPENSEARCH.files}
    assert folders == {"lib", "agent", "modules", "archives"}
    [plugin] = [file for file in OPENSEARCH.files if file.folder == "archives"]
    assert plugin.path == "org/opensearch/plugin/opensearch-knn/3.6.0.0/opensearch-knn-3.6.0.0.zip"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root becomes nobody")
def test_it_never_runs_as_root_and_may_look_into_folders_of_root(tmp_path: Path) -> None:
    hidden = tmp_path / "hidden"
    hidden.mkdir(mode=0o700)
    (hidden / "file").write_text("seen")

    def nobody(script: str) -> str:
        command = [*unprivileged("it"), "sh", "-c", script]
        return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()

    assert nobody("id -u") == "65534"
    assert nobody(f"test -e {hidden}/file && cat {hidden}/file") == "seen"
    assert nobody(f"echo x > {hidden}/other || echo refused") == "refused"


@pytest.mark.server
def test_it_has_what_storages_need(search_url: str) -> None:
    with httpx.Client(base_url=search_url, trust_env=False, timeout=20) as client:
        assert client.get("/").json()["version"]["number"] == "3.6.0"
        assert "opensearch-knn" in client.get("/_cat/plugins").text
    assert SearchServer(Path("x"), int(search_url.rpartition(":")[2])).ready()

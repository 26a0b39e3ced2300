"""Programs are fetched once, checked before they count, and an interrupted fetch goes on where it was."""

from __future__ import annotations

import errno
import os
import re
import shutil
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace

import pytest

from millrace.stack import fetch
from millrace.stack.artefacts import KAFKA, REDIS, Artefact, Artefacts, cache, filling, keeping
from millrace.stack.errors import StackError
from millrace.stack.fetch import fetched

BYTES = {f"part-{number}": bytes([number]) * (100_000 + number) for number in range(12)}
WHOLE = {f"{name}-1.0.jar": data for name, data in BYTES.items()}
SET = Artefacts(
    "Parts",
    "parts",
    tuple(Artefact(f"org.parts:{name}:1.0", sha256(data).hexdigest(), len(data)) for name, data in BYTES.items()),
)


@dataclass
class Mirror:
    """A Maven repository on loopback: what it is asked for, and what it answers other than the right bytes."""

    address: str = ""
    asked: Counter[str] = field(default_factory=Counter)
    refuses: dict[str, list[int]] = field(default_factory=dict)
    """Statuses to answer a file with, one for each request, before it is served."""
    serves: dict[str, bytes] = field(default_factory=lambda: dict(BYTES))

    def answer(self, path: str) -> tuple[int, bytes]:
        """Status and body for a request."""
        name = path.split("/")[-1].removesuffix("-1.0.jar")
        self.asked[name] += 1
        refusals = self.refuses.get(name, [])
        return (refusals.pop(0), b"") if refusals else (200, self.serves[name])


@pytest.fixture
def mirror(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Mirror]:
    """The repository that artefacts are fetched from, with an empty cache and an empty local repository."""
    found = Mirror()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, body = found.answer(self.path)
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    monkeypatch.setattr(fetch, "_PAUSE", 0.0)
    monkeypatch.setenv("MILLRACE_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("M2_REPO", str(tmp_path / "m2"))
    for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        found.address = f"http://127.0.0.1:{server.server_port}"
        monkeypatch.setenv("MILLRACE_MAVEN_MIRROR", found.address + "/")
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield found
        server.shutdown()
        thread.join()


def files(folder: Path) -> dict[str, bytes]:
    """The names and bytes of a folder's files."""
    return {file.name: file.read_bytes() for file in folder.iterdir()}


def test_artefacts_are_fetched_once_into_the_cache_of_the_user(mirror: Mirror) -> None:
    place = fetched(SET, show=False)
    assert place == cache() / "parts"
    assert files(place) == WHOLE
    assert fetched(SET, show=False) == place
    assert mirror.asked == dict.fromkeys(BYTES, 1)


def test_a_bar_shows_on_stderr_how_far_it_is(mirror: Mirror, capfd: pytest.CaptureFixture[str]) -> None:
    fetched(SET, show=True)
    said = capfd.readouterr()
    assert "Fetching Parts (once)" in said.err
    assert "1.2/1.2 MB" in said.err
    assert said.out == ""


def test_an_interrupted_fetch_goes_on_with_what_is_missing(mirror: Mirror) -> None:
    mirror.refuses["part-7"] = [404]
    with pytest.raises(StackError):
        fetched(SET, show=False)
    kept = files(SET.place)
    assert kept.items() <= WHOLE.items()
    mirror.asked.clear()
    fetched(SET, show=False)
    assert files(SET.place) == WHOLE
    assert {f"{name}-1.0.jar" for name in mirror.asked} == set(WHOLE) - set(kept)


def test_a_file_that_lost_its_end_is_fetched_again(mirror: Mirror) -> None:
    place = fetched(SET, show=False)
    (place / "part-3-1.0.jar").write_bytes(b"\x03" * 10)
    fetched(SET, show=False)
    assert files(place) == WHOLE
    assert mirror.asked["part-3"] == 2


def test_a_file_that_is_not_what_was_pinned_never_gets_its_name(mirror: Mirror) -> None:
    mirror.serves["part-5"] = b"\x06" * len(BYTES["part-5"])
    with pytest.raises(
        StackError, match=r"part-5-1\.0\.jar from .* does not have its pinned SHA-256 and was thrown away"
    ):
        fetched(SET, show=False)
    assert files(SET.place).items() <= {name: data for name, data in WHOLE.items() if "part-5" not in name}.items()


def test_a_repository_that_is_busy_is_asked_again(mirror: Mirror) -> None:
    mirror.refuses = {"part-1": [503, 503], "part-2": [429]}
    assert files(fetched(SET, show=False)) == WHOLE


def test_a_repository_that_has_not_got_it_is_not_asked_again(mirror: Mirror) -> None:
    mirror.refuses = {"part-0": [404]}
    with pytest.raises(
        StackError, match=r"org\.parts:part-0:1\.0 could not be fetched from .* \(it answered 404 Not Found"
    ):
        fetched(SET, show=False)
    assert mirror.asked["part-0"] == 1


def test_an_unreachable_repository_is_one_sentence_that_says_what_to_do(
    mirror: Mirror, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MILLRACE_MAVEN_MIRROR", "http://127.0.0.1:9")
    with pytest.raises(StackError, match=r"check the network, or name a mirror with MILLRACE_MAVEN_MIRROR=") as refused:
        fetched(SET, show=False)
    assert "\n" not in str(refused.value)


def test_a_proxy_that_cannot_be_used_says_so(mirror: Mirror, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALL_PROXY", "nonsense://proxy")
    with pytest.raises(StackError, match="The proxy that the environment names cannot be used"):
        fetched(SET, show=False)


def test_what_the_local_maven_repository_has_is_copied_from_there(mirror: Mirror, tmp_path: Path) -> None:
    for artefact, data in zip(SET.files, BYTES.values(), strict=True):
        file = tmp_path / "m2" / artefact.path
        file.parent.mkdir(parents=True)
        file.write_bytes(data if artefact is not SET.files[0] else b"something else")
    assert files(fetched(SET, show=False)) == WHOLE
    assert list(mirror.asked) == ["part-0"]


def test_two_at_once_both_find_whole_files(mirror: Mirror) -> None:
    threads = [threading.Thread(target=fetched, args=(SET, False)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert files(SET.place) == WHOLE


def test_a_disk_without_room_says_so_before_anything_is_fetched(
    mirror: Mirror, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=1 << 20))
    with pytest.raises(StackError, match=r"^Only 1 MiB are free at .* and Parts needs 2; free some, or put the cache"):
        fetched(SET, show=False)
    assert not mirror.asked


def test_a_disk_that_fills_up_leaves_nothing_halfway(tmp_path: Path) -> None:
    def fill() -> None:
        with filling(tmp_path, 100, "Parts"), keeping(tmp_path / "file") as partial:
            partial.write_bytes(b"half")
            raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(StackError, match=r"^The disk of .* is full; Parts needs 1 MiB: free some space, or put the"):
        fill()
    assert files(tmp_path) == {}


def test_what_a_killed_fetch_left_is_removed_once_nobody_can_be_writing_it(tmp_path: Path) -> None:
    old, young = tmp_path / ".fetching-old", tmp_path / ".fetching-young"
    for file in (old, young):
        file.write_bytes(b"half")
    os.utime(old, (0, time.time() - 7200))
    with filling(tmp_path, 100, "Parts"):
        pass
    assert files(tmp_path) == {young.name: b"half"}


@pytest.mark.parametrize("pins", [KAFKA, REDIS], ids=lambda pins: pins.title)
def test_every_pin_is_a_checksum_a_size_and_coordinates(pins: Artefacts) -> None:
    assert pins.files
    for artefact in pins.files:
        assert re.fullmatch("[0-9a-f]{64}", artefact.sha256)
        assert artefact.size > 0
        assert artefact.path.endswith(artefact.file)
    assert len({artefact.file for artefact in pins.files}) == len(pins.files)


@pytest.mark.parametrize(
    ("coordinates", "name"),
    [
        ("org.parts:one:1.0", "one-1.0.jar"),
        ("org.parts:one:1.0:zip", "one-1.0.zip"),
        ("org.parts:one:1.0:tar.gz:all", "one-1.0-all.tar.gz"),
    ],
)
def test_a_file_is_named_as_a_maven_repository_names_it(coordinates: str, name: str) -> None:
    assert Artefact(coordinates, "", 0).path == f"org/parts/one/1.0/{name}"

"""Keys and their file: what is kept, what is refused, and how a file is replaced."""

from __future__ import annotations

import os
import stat
import threading
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

import pytest

from serving.access.bucket import Bucket
from serving.access.key_file import KeyFile
from serving.access.keys import Rate, Scope, digest, minted, parsed_rate, rotated
from serving.errors import KeyRefused, KeysBroken
from tests.serving.access.keyed import NOON, Keyed


def test_a_secret_is_256_random_bits_behind_its_keys_id_and_only_its_hash_is_kept(tmp_path: Path) -> None:
    keyed = Keyed(tmp_path, shop="answer")
    secret = keyed.secrets["shop"]
    [key] = keyed.file.read() or ()
    assert secret.startswith(f"mk_{key.id}_")
    assert len(secret.removeprefix(f"mk_{key.id}_")) == 43
    assert key.secrets[-1].sha256 == digest(secret.encode()).hex()
    assert secret.rpartition("_")[2] not in keyed.file.path.read_text("utf-8")
    assert minted("shop", [Scope.ANSWER], NOON)[1] != minted("shop", [Scope.ANSWER], NOON)[1]


def test_the_file_is_for_its_owner_alone_and_replaced_as_a_whole(tmp_path: Path) -> None:
    keyed = Keyed(tmp_path, shop="answer")
    assert stat.S_IMODE(keyed.file.path.stat().st_mode) == 0o600
    before = keyed.file.path.stat().st_ino
    with suppress(RuntimeError), keyed.file.edited() as keys:
        keys.clear()
        raise RuntimeError
    assert (keyed.file.path.stat().st_ino, len(keyed.file.read() or ())) == (before, 1)
    keyed.make("other", "emit")
    assert keyed.file.path.stat().st_ino != before
    assert sorted(path.name for path in tmp_path.iterdir()) == [".keys.json.lock", "keys.json"]


def test_keys_that_are_made_at_the_same_time_are_all_kept(tmp_path: Path) -> None:
    keyed = Keyed(tmp_path)
    threads = [threading.Thread(target=keyed.make, args=(f"k{number}", "answer")) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {key.name for key in keyed.file.read() or ()} == {f"k{number}" for number in range(8)}


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"{",
        b"[]",
        b"\xff",
        b'{"keys": [{"name": "x"}]}',
        b'{"keys": [], "more": 1}',
        b"[" * 100_000,
        b" " * (2 * 1024 * 1024),
    ],
)
def test_a_file_that_is_none_of_ours_is_refused_with_its_name(tmp_path: Path, text: bytes) -> None:
    file = KeyFile(tmp_path / "keys.json")
    file.path.write_bytes(text)
    file.path.chmod(0o600)
    with pytest.raises(KeysBroken, match=r"keys\.json cannot be used"):
        file.read()


def test_a_file_that_others_may_write_is_refused(tmp_path: Path) -> None:
    keyed = Keyed(tmp_path, shop="answer")
    keyed.file.path.chmod(0o620)
    with pytest.raises(KeysBroken, match="others may write it"):
        keyed.file.read()


def test_two_keys_of_one_name_are_refused(tmp_path: Path) -> None:
    keyed = Keyed(tmp_path, shop="answer")
    keyed.make("shop", "emit")
    with pytest.raises(KeysBroken, match="the same name"):
        keyed.file.read()


def test_a_rotated_key_has_two_secrets_and_the_one_before_ends() -> None:
    key, _ = minted("shop", [Scope.ANSWER], NOON)
    second, _ = rotated(key, NOON, timedelta(hours=1))
    third, _ = rotated(second, NOON, timedelta(hours=2))
    assert [secret.until for secret in second.secrets] == [NOON + timedelta(hours=1), None]
    assert third.secrets[0].sha256 == second.secrets[1].sha256
    assert len(rotated(key, NOON, timedelta(0))[0].secrets) == 1


@pytest.mark.parametrize("name", ["", " ", "a b", "-a", "é", "a" * 65, "a\n", "../a"])
def test_a_name_is_a_word(name: str) -> None:
    with pytest.raises(KeyRefused, match="name"):
        minted(name, [Scope.ANSWER], NOON)


@pytest.mark.parametrize("text", ["", "500", "0/s", "-1/s", "1.5/s", "5/y", "9999999/s", "5/s/s", "٣/s"])
def test_a_rate_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(KeyRefused, match="no rate"):
        parsed_rate(text)


def test_a_key_cannot_outlast_the_calendar() -> None:
    with pytest.raises(KeyRefused, match="so long"):
        minted("shop", [Scope.ANSWER], NOON, expires=timedelta(days=10_000_000))


def test_a_bucket_lets_its_count_pass_at_once_and_its_rate_in_the_long_run() -> None:
    bucket = Bucket(Rate(10, 1.0), now=100.0)
    assert [bucket.take(100.0) for _ in range(10)] == [0.0] * 10
    assert bucket.left == 0
    wait = bucket.take(100.0)
    assert wait == pytest.approx(0.1)
    assert bucket.take(100.0 + wait / 2) > 0
    assert bucket.take(100.0 + wait + 1e-6) == 0.0
    passed = sum(bucket.take(200.0 + number / 100) == 0.0 for number in range(1000))
    assert passed == pytest.approx(10 + 100, abs=2)


def test_a_bucket_holds_no_more_than_its_count_however_long_nobody_asks() -> None:
    bucket = Bucket(parsed_rate("30/min"), now=0.0)
    assert sum(bucket.take(1e9) == 0.0 for _ in range(100)) == 30


def test_a_symbolic_link_is_written_through(tmp_path: Path) -> None:
    keyed = Keyed(tmp_path, shop="answer")
    link = KeyFile(tmp_path / "link.json")
    os.symlink(keyed.file.path, link.path)
    with link.edited() as keys:
        keys.clear()
    assert link.path.is_symlink()
    assert list(keyed.file.read() or ()) == []

"""The spool gives back what it took, in order, after whatever ended the process, and never takes more than its room."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from serving.spool import Place, Spool, segment
from serving.spool import folder as spool_folder


def opened(folder: Path, limit: int = 1_000_000, segment: int = 1_000) -> Spool:
    spool = Spool(folder, limit, segment)
    spool.open()
    return spool


def bodies(first: int, count: int, size: int = 50) -> list[tuple[int, bytes]]:
    return [(number, f"{number:0{size}d}".encode()) for number in range(first, first + count)]


def read(spool: Spool, count: int = 1_000_000) -> list[int]:
    return [int(record.body) for record in spool.read(count)]


def files(folder: Path) -> list[Path]:
    return sorted((folder / "0").glob("*.spool"))


def test_what_was_taken_is_read_once_in_order_also_while_more_is_taken(tmp_path: Path) -> None:
    spool = opened(tmp_path)
    assert spool.append(bodies(0, 100)) == 100
    assert read(spool, 30) == list(range(30))
    assert spool.append(bodies(100, 50)) == 50
    assert not spool.at_end
    assert read(spool) == list(range(30, 150))
    assert spool.at_end
    assert read(spool) == []
    assert [record.at for record in spool.read(1)] == []


def test_what_was_not_released_is_there_for_the_next_process(tmp_path: Path) -> None:
    spool = opened(tmp_path)
    spool.append(bodies(0, 100))
    taken = spool.read(60)
    spool.release(taken[40].place)
    spool.close()

    following = Spool(tmp_path, 1_000_000, 1_000)
    assert following.open() == 60
    following.append(bodies(100, 10))
    assert read(following) == list(range(40, 110))


def test_room_is_given_back_as_records_are_released_and_all_of_it_at_the_end(tmp_path: Path) -> None:
    spool = opened(tmp_path)
    spool.append(bodies(0, 100))
    before = spool.size
    spool.release(spool.read(60)[-1].place)
    assert before // 4 < spool.size < before // 2 + 1_000
    assert read(spool) == list(range(60, 100))
    spool.release(None)
    assert (spool.size, files(tmp_path)) == (0, [])
    spool.append(bodies(100, 5))
    assert read(spool) == list(range(100, 105))


def test_it_takes_no_more_than_its_room_and_again_when_there_is_some(tmp_path: Path) -> None:
    spool = opened(tmp_path, limit=5_000)
    taken = spool.append(bodies(0, 1_000))
    assert 50 < taken < 80
    assert sum(path.stat().st_size for path in files(tmp_path)) == spool.size <= 5_000
    assert spool.append(bodies(taken, 1)) == 0
    spool.release(spool.read(40)[-1].place)
    assert spool.append(bodies(taken, 5)) == 5
    assert read(spool) == list(range(40, taken + 5))


def test_a_record_that_was_cut_by_a_kill_is_left_out_and_those_before_it_are_there(tmp_path: Path) -> None:
    spool = opened(tmp_path, segment=100_000)
    spool.append(bodies(0, 10))
    spool.close()
    [path] = files(tmp_path)
    whole = path.read_bytes()
    for cut in (1, 20, 49):
        path.write_bytes(whole[:-cut])
        following = Spool(tmp_path, 1_000_000)
        assert following.open() == 9
        assert read(following) == list(range(9))
        following.close()


@pytest.mark.parametrize("left", [0, 1, 10])
def test_a_file_that_was_hardly_begun_is_no_hindrance(tmp_path: Path, left: int) -> None:
    spool = opened(tmp_path)
    spool.append(bodies(0, 1))
    spool.close()
    [path] = files(tmp_path)
    path.with_name(f"{2:012d}.spool").write_bytes(path.read_bytes()[:left])
    following = Spool(tmp_path, 1_000_000)
    assert following.open() == 1
    following.append(bodies(1, 1))
    assert read(following) == [0, 1]


def test_damage_within_a_file_loses_the_record_that_it_hits_and_is_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    spool = opened(tmp_path)
    spool.append(bodies(0, 10))
    spool.close()
    content = bytearray(files(tmp_path)[0].read_bytes())
    content[-200] ^= 1
    files(tmp_path)[0].write_bytes(content)
    following = Spool(tmp_path, 1_000_000)
    assert following.open() == 9
    assert read(following) == [0, 1, 2, 3, 4, 5, 7, 8, 9]
    assert "is damaged within, in 1 places" in caplog.text


def test_damage_of_a_length_loses_the_rest_of_that_file_only(tmp_path: Path) -> None:
    spool = opened(tmp_path)
    spool.append(bodies(0, 60))
    spool.close()
    first, *others = files(tmp_path)
    content = bytearray(first.read_bytes())
    length = len(segment.FIRST_LINE) + 5 * len(segment.packed(0, bodies(0, 1)[0][1]))
    content[length + 3] ^= 1
    first.write_bytes(content)
    following = Spool(tmp_path, 1_000_000)
    count = following.open()
    found = read(following)
    assert len(found) == count < 60
    assert found == sorted(found)
    assert found[:5] == [0, 1, 2, 3, 4]
    assert set(range(60)) - set(found) <= set(range(5, 20))
    assert others


def test_damage_that_comes_while_it_runs_is_counted(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    spool = opened(tmp_path, segment=100_000)
    spool.append(bodies(0, 10))
    [path] = files(tmp_path)
    content = bytearray(path.read_bytes())
    content[-200] ^= 1
    path.write_bytes(content)
    found = read(spool)
    assert found == [0, 1, 2, 3, 4, 5, 7, 8, 9]
    assert "1 decisions are lost" in caplog.text
    spool.append(bodies(10, 2))
    assert read(spool) == [10, 11]


def test_a_foreign_file_is_left_as_it_is(tmp_path: Path) -> None:
    opened(tmp_path).close()
    (tmp_path / "0" / f"{1:012d}.spool").write_bytes(b"somebody's notes, and many of them")
    (tmp_path / "0" / "README").write_text("hello")
    spool = Spool(tmp_path, 1_000_000)
    assert spool.open() == 0
    spool.append(bodies(0, 3))
    assert read(spool) == [0, 1, 2]
    assert (tmp_path / "0" / f"{1:012d}.foreign").read_bytes().startswith(b"somebody's notes")
    assert (tmp_path / "0" / "README").read_text() == "hello"


def test_a_full_disk_takes_nothing_half_and_everything_again_when_it_has_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    room = 700
    real = os.pwrite

    def pwrite(file: int, content: bytes, offset: int) -> int:
        if offset >= room:
            raise OSError(28, "No space left on device")
        return real(file, content[: room - offset], offset)

    spool = opened(tmp_path, segment=100_000)
    assert spool.append(bodies(0, 5)) == 5
    monkeypatch.setattr(os, "pwrite", pwrite)
    assert spool.append(bodies(5, 10)) == 0
    assert spool.error is not None
    assert "No space" in spool.error
    monkeypatch.undo()
    assert spool.append(bodies(5, 10)) == 10
    assert spool.error is None
    assert read(spool) == list(range(15))
    spool.close()
    assert Spool(tmp_path, 1_000_000).open() == 15


def test_a_folder_that_cannot_be_used_takes_nothing_and_says_why(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    spool = Spool(tmp_path / "file", 1_000)
    assert spool.open() == 0
    assert spool.append(bodies(0, 1)) == 0
    assert spool.error is not None


def test_two_processes_that_share_a_folder_have_a_part_each_and_one_alone_takes_up_both(tmp_path: Path) -> None:
    one, other = opened(tmp_path), opened(tmp_path)
    one.append(bodies(0, 40))
    other.append(bodies(100, 40))
    other.release(other.read(31)[-1].place)
    assert read(one) == list(range(40))
    one.release(None)
    one.close()
    other.close()
    alone = Spool(tmp_path, 1_000_000)
    assert alone.open() == 10
    assert read(alone) == list(range(130, 140))
    alone.release(None)
    assert list(tmp_path.rglob("*.spool")) == []


def test_what_looks_like_another_processs_part_and_is_none_is_no_hindrance(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "7").write_text("no folder")
    spool = Spool(tmp_path, 1_000_000)
    assert spool.open() == 0
    assert spool.append(bodies(0, 3)) == 3
    assert spool.error is None
    assert "7 is not taken up" in caplog.text


def test_nobody_else_may_read_what_is_kept(tmp_path: Path) -> None:
    spool = opened(tmp_path / "spool")
    spool.append(bodies(0, 1))
    spool.release(spool.read(1)[0].place)
    assert all(path.stat().st_mode & 0o077 == 0 for path in (tmp_path / "spool").rglob("*"))


def test_a_damaged_note_of_what_was_sent_only_repeats(tmp_path: Path) -> None:
    spool = opened(tmp_path, segment=100_000)
    spool.append(bodies(0, 10))
    spool.release(spool.read(5)[-1].place)
    spool.close()
    (tmp_path / "0" / "head").write_bytes(b"?" * 20)
    folder = spool_folder.Folder(tmp_path)
    folder.open()
    assert folder.head() == Place(0, 0)
    folder.close()
    following = Spool(tmp_path, 1_000_000)
    assert following.open() == 10

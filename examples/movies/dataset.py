"""MovieLens 100K, read from the pinned wheel of RecBole that carries it; nothing of it is kept in this repository.

The wheel is fetched once, by pip and by its hash, into the folder `MILLRACE_HOME` or the user's cache, and read as a
zip file; it is never installed. Source and licence: README.md beside this file.
"""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zipfile import ZipFile

import millrace as mr

from .events import Film, Rating

REQUIREMENT = "recbole==1.2.1"
WHEEL = "recbole-1.2.1-py3-none-any.whl"
SHA256 = "9c9948202011f37eb0a7c6768129313f00d6403ad221ec940d5e2d5d5f33a407"
FOLDER = "recbole/dataset_example/ml-100k"

_YEAR_IN_TITLE = re.compile(r"\s*\((\d{4})\)$")


class DatasetUnavailable(mr.MillraceError):
    """The data set's wheel could not be fetched, or is not the pinned one; the message says what to do."""


def events(shifted: bool = True) -> Iterator[mr.Event]:
    """All films, then all ratings in time order.

    Args:
        shifted: move all times by one constant, so that the last rating is now; otherwise the times are the original
            ones, of 1997 and 1998.

    Raises:
        DatasetUnavailable: the wheel is not in the cache and cannot be fetched.
    """
    yield from films()
    yield from ratings(datetime.now(UTC) if shifted else None)


def films() -> list[Film]:
    """The 1,682 films with title, year and genres. Blocks for the download when called for the first time.

    Raises:
        DatasetUnavailable: the wheel is not in the cache and cannot be fetched.
    """
    return [_film(*row) for row in _rows("ml-100k.item")]


def ratings(shift_to: datetime | None = None, prefix: str = "") -> list[Rating]:
    """The 100,000 ratings in time order; those of one second in the file's order. Blocks like `films`.

    Args:
        shift_to: move all times by one constant, so that the last rating is at this moment.
        prefix: put before every viewer's id, to replay the same ratings as those of other viewers.

    Raises:
        DatasetUnavailable: the wheel is not in the cache and cannot be fetched.
    """
    rows = sorted(((float(at), user, item, stars) for user, item, stars, at in _rows("ml-100k.inter")), key=_time)
    shift = timedelta(0)
    if shift_to is not None:
        shift = _to_milliseconds(shift_to) - datetime.fromtimestamp(rows[-1][0], UTC)
    return [
        Rating(prefix + user, item, int(float(stars)), datetime.fromtimestamp(at, UTC) + shift)
        for at, user, item, stars in rows
    ]


def wheel() -> Path:
    """The wheel's place in the cache, fetched if it is not there. Blocks for the download (2 MB).

    Raises:
        DatasetUnavailable: pip cannot fetch it.
    """
    place = _cache() / WHEEL
    if not (place.exists() and _has_hash(place)):
        place.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=place.parent) as folder:
            os.replace(_fetch(Path(folder)), place)
    return place


def _time(row: tuple[float, str, str, str]) -> float:
    return row[0]


def _to_milliseconds(moment: datetime) -> datetime:
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


def _film(item: str, title: str, year: str, genres: str) -> Film:
    """One line of the file, in which two films are special: 267 has no data at all, 1412 its year in the title."""
    found = _YEAR_IN_TITLE.search(title)
    if found is not None:
        title, year = title[: found.start()], found.group(1)
    return Film(
        item=item,
        title="Unknown film" if title == "unkonwn" else title,
        year=int(year) if year.isdigit() else None,
        genres=[genre for genre in genres.split() if genre != "unknown"],
    )


def _rows(name: str) -> Iterator[list[str]]:
    with ZipFile(wheel()) as archive:
        lines = archive.read(f"{FOLDER}/{name}").decode("utf-8").splitlines()
    return (line.split("\t") for line in lines[1:])


def _cache() -> Path:
    if home := os.environ.get("MILLRACE_HOME"):
        return Path(home) / "datasets"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "millrace" / "datasets"


def _has_hash(file: Path) -> bool:
    return hashlib.sha256(file.read_bytes()).hexdigest() == SHA256


def _fetch(folder: Path) -> Path:
    """Let pip download the wheel, which checks the hash, whatever index it is set up to use."""
    requirements = folder / "requirements.txt"
    requirements.write_text(f"{REQUIREMENT} --hash=sha256:{SHA256}\n", "utf-8")
    options = ["--quiet", "--disable-pip-version-check", "--no-deps", "--only-binary=:all:", "--require-hashes"]
    command = [sys.executable, "-m", "pip", "download", *options, "--dest", str(folder), "-r", str(requirements)]
    result = subprocess.run(command, capture_output=True, text=True)
    if result.returncode:
        reason = (result.stderr.strip() or result.stdout.strip() or "no reason given").splitlines()[-1]
        raise DatasetUnavailable(
            f"pip could not fetch {REQUIREMENT}, which carries MovieLens 100K ({reason}); see that a package index is "
            f"reachable (PIP_INDEX_URL), or put {WHEEL} into {_cache()}."
        )
    return folder / WHEEL

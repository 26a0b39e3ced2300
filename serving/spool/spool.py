"""A queue of records on disk, bounded in bytes. It outlives the process, however that ends."""

from __future__ import annotations

import logging
import os
from collections import deque
from collections.abc import Sequence
from itertools import islice
from pathlib import Path

from serving.spool.folder import Folder
from serving.spool.segment import FIRST_LINE, Found, Place, packed, records

LOGGER = logging.getLogger("millrace.spool")

SEGMENT = 8 * 1024 * 1024
"""Bytes after which a new file begins. Room is given back by whole files."""


class Spool:
    """Records in the order in which they came; for one thread at a time.

    What `append` has taken survives a kill of the process, as the system has it; a power cut may take the last seconds,
    unless it is `durable`: then it is on the disk. Nothing here raises for the disk's sake: a disk that is full or
    broken takes nothing, and `error` says why until it takes something again.

    Args:
        folder: where the files are. Each process that is given the same one has a part of it to itself.
        limit: bytes that its own part may take.
        durable: whether records are forced onto the disk before `append` returns.
        holds: what its records are, for messages.

    Attributes:
        error: why nothing can be written now; None = all well.
        lost: records that were taken and cannot be read any more.
    """

    def __init__(
        self, folder: Path, limit: int, segment: int = SEGMENT, *, durable: bool = False, holds: str = "decisions"
    ) -> None:
        self._folder, self._durable, self._holds = Folder(folder), durable, holds
        self._limit, self._segment = limit, min(segment, max(limit // 4, 1))
        self._ends: dict[int, int] = {}  # of each segment, where its last whole record ends
        self._counts: dict[int, int] = {}  # of each segment, its records
        self._file: int | None = None
        self._next, self._read = Place(0, 0), 0
        self._ahead: deque[Found] = deque()
        self._head = Place(0, 0)
        self.error: str | None = None
        self.lost = 0

    def open(self) -> int:
        """Take up what an earlier process has left. Reads all of it once.

        Returns:
            how many records there are.
        """
        try:
            self._folder.open()
            self._head = self._folder.head()
            for number in self._folder.segments():
                self._take_up(number)
        except OSError as error:
            self._failed(error)
        self._head = max(self._head, Place(min(self._ends, default=0), 0))
        self._next = self._head
        return sum(self._counts.values())

    def append(self, bodies: Sequence[tuple[int, bytes]]) -> int:
        """Add records, each a time in milliseconds and a body, as far as there is room.

        Returns:
            how many of them were taken; the others were not.
        """
        return len(self.put(bodies))

    def put(self, bodies: Sequence[tuple[int, bytes]]) -> list[Place]:
        """The same; gives the places of those that were taken."""
        taken = list[Place]()
        while len(taken) < len(bodies) and self._folder.taken:
            parts = self._parts(bodies[len(taken) :])
            if not parts or not self._write(b"".join(parts)):
                return taken
            number = max(self._ends)
            for part in parts:
                taken.append(Place(number, self._ends[number]))
                self._ends[number] += len(part)
            self._counts[number] += len(parts)
        return taken

    def read(self, count: int) -> list[Found]:
        """The next records, at most so many, each once; none at the end."""
        while len(self._ahead) < count:
            number, offset = self._next
            if offset >= self._ends.get(number, 0):
                following = min((other for other in self._ends if other > number), default=None)
                if following is None:
                    break
                self._next, self._read = Place(following, 0), 0
                continue
            self._look_ahead()
        found = list(islice(self._ahead, count))
        for _ in found:
            self._ahead.popleft()
        return found

    def release(self, place: Place | None) -> None:
        """What lies before this place is not needed any more; None = all that was read."""
        if place is None:
            place = self._ahead[0].place if self._ahead else self._next
        if place <= self._head:
            return
        self._head = place
        done = [number for number in self._ends if number < place.segment]
        drained = place.segment in self._ends and place.offset >= self._ends[place.segment]
        if drained and place.segment == max(self._ends):
            done.append(place.segment)
            self._close_file()
        for number in done:
            del self._ends[number], self._counts[number]
        try:
            self._folder.remember(place)
            for number in done:
                self._folder.remove(number)
        except OSError as error:
            self._failed(error)

    @property
    def at_end(self) -> bool:
        """Whether all records were read."""
        return not self._ahead and not any(Place(number, end) > self._next for number, end in self._ends.items())

    @property
    def size(self) -> int:
        """What its files take."""
        return sum(self._ends.values())

    def close(self) -> None:
        """Let another process have what is left."""
        self._close_file()
        self._folder.close()

    def _take_up(self, number: int) -> None:
        content = self._folder.content(number)
        if not content.startswith(FIRST_LINE[: len(content)]):
            LOGGER.error("%s is no file of the spool; it is left as it is.", self._folder.path(number))
            self._folder.set_aside(number)
            return
        start = self._head.offset if number == self._head.segment else 0
        if number < self._head.segment or len(content) < len(FIRST_LINE):
            self._folder.remove(number)
            return
        count, end, damaged = 0, max(start, len(FIRST_LINE)), 0
        for record in records(Place(number, end), content[end:]):
            damaged += record.place.offset > end
            count, end = count + 1, record.end
        if damaged:
            said = (self._folder.path(number), damaged, self._holds)
            LOGGER.error("%s is damaged within, in %d places; the %s there are lost.", *said)
        if end < len(content):
            cut = (self._folder.path(number), len(content) - end)
            LOGGER.warning("%s ends in %d bytes that are no whole record; a write was cut, or is damaged.", *cut)
        self._ends[number], self._counts[number] = end, count

    def _parts(self, bodies: Sequence[tuple[int, bytes]]) -> list[bytes]:
        """Records as they are written at once: as many as fit into the segment, of which one is begun where needed."""
        number = max(self._ends, default=None)
        room = self._limit - self.size
        if number is None or self._file is None or self._ends[number] >= self._segment:
            room -= len(FIRST_LINE)
        parts, size = list[bytes](), 0
        for at, body in bodies:
            part = packed(at, body)
            if size + len(part) > room or size >= self._segment:
                break
            parts.append(part)
            size += len(part)
        return parts

    def _write(self, piece: bytes) -> bool:
        try:
            if self._file is None or self._ends[max(self._ends)] >= self._segment:
                self._begin()
            assert self._file is not None
            offset = self._ends[max(self._ends)]
            try:
                _write_all(self._file, piece, offset)
                if self._durable:
                    os.fsync(self._file)
            except OSError:
                os.ftruncate(self._file, offset)
                raise
        except OSError as error:
            self._failed(error)
            return False
        if self.error is not None:
            LOGGER.warning("The spool on disk can be used again.")
            self.error = None
        return True

    def _begin(self) -> None:
        """A new file; it counts once its first line is written."""
        self._close_file()
        number = max(max(self._ends, default=0), self._head.segment) + 1
        file = self._folder.create(number)
        try:
            _write_all(file, FIRST_LINE, 0)
            if self._durable:
                self._folder.force()
        except OSError:
            os.close(file)
            self._folder.remove(number)
            raise
        self._file, self._ends[number], self._counts[number] = file, len(FIRST_LINE), 0

    def _look_ahead(self) -> None:
        """Read the rest of the segment; what cannot be read is lost, and said."""
        number, end = self._next.segment, self._ends[self._next.segment]
        place = Place(number, max(self._next.offset, len(FIRST_LINE)))
        try:
            content = self._folder.content(number, place.offset, end)
        except OSError as error:
            self._failed(error)
            content = b""
        found = list(records(place, content))
        self._ahead += found
        self._read += len(found)
        self._next = Place(number, end)
        if lost := self._counts[number] - self._read:
            self.lost, self._read = self.lost + lost, self._read + lost
            LOGGER.error("%s is damaged: %d %s are lost.", self._folder.path(number), lost, self._holds)

    def _close_file(self) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def _failed(self, error: OSError) -> None:
        if self.error is None:
            LOGGER.error("The spool on disk cannot be used: %s", error)
        self.error = str(error)


def _write_all(file: int, content: bytes, offset: int) -> None:
    """Write at an offset; a disk that fills up takes a part first, and fails then."""
    done = 0
    while done < len(content):
        done += os.pwrite(file, content[done:], offset + done)

"""Arrow files and streams as pieces."""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa

from storage.loads.columnar import Columnar, parts

_MAPPED = 64 << 20
"""Bytes of record batches that are mapped into memory instead of being read as a whole."""


class ArrowFile(Columnar):
    """Read batch by batch; large ones are mapped into memory, of which only what a piece needs stays resident."""

    kind = "an Arrow file"

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        with self._readable(), pa.ipc.open_file(pa.OSFile(str(path))) as reader:
            self._has(reader.schema)
            self._mapped = path.stat().st_size > _MAPPED * reader.num_record_batches

    def _batches(self) -> Iterator[pa.RecordBatch]:
        if self._mapped:
            yield from self._mapped_batches()
            return
        with pa.OSFile(str(self.path)) as file:
            reader = pa.ipc.open_file(file)
            for number in range(reader.num_record_batches):
                yield reader.get_batch(number)
                self.read = (number + 1) / reader.num_record_batches

    def _mapped_batches(self) -> Iterator[pa.RecordBatch]:
        """The kernel ends a process that looks behind the end of a mapped file, so the end is looked at before that."""
        with self.path.open("rb") as file:
            mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        reader = pa.ipc.open_file(pa.py_buffer(mapped))
        count = reader.num_record_batches
        for number in range(count):
            self.must_be_unchanged()
            for part in parts(reader.get_batch(number)):
                yield part
                self.must_be_unchanged()
                mapped.madvise(mmap.MADV_DONTNEED)  # what is still needed comes back from the file
            self.read = (number + 1) / count


class ArrowStream(Columnar):
    """Read batch by batch, each as its writer made it."""

    kind = "an Arrow stream"

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        with self._readable(), pa.ipc.open_stream(pa.OSFile(str(path))) as reader:
            self._has(reader.schema)

    def _batches(self) -> Iterator[pa.RecordBatch]:
        with pa.OSFile(str(self.path)) as file:
            for batch in pa.ipc.open_stream(file):
                yield batch
                self.read = file.tell() / file.size()

"""Records, read: also by a class whose schema is another one than that which wrote them, if Avro's rules allow it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Generic, TypeVar, cast

from schemas import Record, decode_record
from schemas.compatibility import unreadable
from schemas.datum import datum_reader
from schemas.errors import SchemaError
from storage.descriptor import Descriptor
from storage.errors import FormatRefused
from storage.reader import Located, Reader

T = TypeVar("T", bound=Record)


class RecordsReader(Reader, Generic[T]):
    """Reads `Records` as records of a class, or, where none is named, as dictionaries."""

    format = "records"

    def __init__(self, locate: Callable[[], Located], record: type[Record] | None = None) -> None:
        """See `Reader`.

        Raises:
            FormatRefused: the rows cannot be read as this class; the message names the fields. Or their schema is none.
        """
        super().__init__(locate)
        self._record = cast("type[T] | None", record)
        self._decoder = self._decoder_of(locate().descriptor)

    async def get(self, key: str, *, fresh: bool = False) -> T | None:
        """A key's row; None if there is none. About `fresh` see `Reader`."""
        return (await self.get_many([key], fresh=fresh))[0]

    async def get_many(self, keys: Sequence[str], *, fresh: bool = False) -> list[T | None]:
        """The same for many keys at once, in their order."""
        reads, descriptor = self._located(fresh)
        if self._decoder[0] is not descriptor:
            self._decoder = self._decoder_of(descriptor)
        decode = self._decoder[1]
        return [None if row is None else decode(row) for row in await reads.rows(descriptor, keys)]

    def _decoder_of(self, descriptor: Descriptor) -> tuple[Descriptor, Callable[[bytes], T]]:
        try:
            return self._resolved(descriptor)
        except SchemaError as error:  # any program may have written it
            raise FormatRefused(f"{descriptor.title} does not say what its rows are: {error}") from error

    def _resolved(self, descriptor: Descriptor) -> tuple[Descriptor, Callable[[bytes], T]]:
        record, written = self._record, descriptor.schema or {}
        if record is None:
            return descriptor, datum_reader(written, written).read_trusted
        wanted = record.avro_schema()
        if wanted == written:
            return descriptor, partial(decode_record, record)
        if problems := unreadable(wanted, written):
            raise FormatRefused(f"{descriptor.title} cannot be read as {record.__name__}: {'; '.join(problems)}.")
        read = datum_reader(written, wanted).read_trusted
        return descriptor, lambda data: record.of(read(data))

"""Where the archives of a platform are, and which there are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from deltalake.exceptions import TableNotFoundError
from deltalake.fs import DeltaStorageHandler
from pyarrow.fs import FileSelector, FileType, PyFileSystem

from streams.archive.pseudonyms import Pseudonyms
from streams.archive.table import ArchiveTable, asked
from streams.errors import ArchiveUnavailable

_SOURCES = "@sources"
"""No topic has such a name."""


@dataclass(frozen=True)
class Shelf:
    """Where the archive of a platform is: a folder, or an address such as `s3://bucket/prefix`, with its options, and
    what its personal values are hidden behind."""

    url: str
    options: Mapping[str, str] = field(default_factory=dict, repr=False)
    pseudonyms: Pseudonyms | None = None

    def table(self, topic: str) -> ArchiveTable:
        """A topic's archive; nothing is looked at yet."""
        return ArchiveTable(f"{self.url.rstrip('/')}/{topic}", topic, self.options, self.pseudonyms)

    def source(self, name: str) -> ArchiveTable:
        """What holds the snapshots of an external source, see `snapshots.py`: where no topic's archive can be."""
        return ArchiveTable(f"{self.url.rstrip('/')}/{_SOURCES}/{name}", f"the source {name}", self.options)

    def topics(self) -> list[str]:
        """The topics that have an archive here, whoever knows them still. Blocks. Raises ArchiveUnavailable."""
        return [name for name in self._folders("") if not name.startswith("@")]

    def sources(self) -> list[str]:
        """The external sources that have snapshots here, whoever declares them still. Blocks. Raises
        ArchiveUnavailable."""
        return self._folders(_SOURCES)

    def _folders(self, under: str) -> list[str]:
        try:
            files = PyFileSystem(DeltaStorageHandler(self.url.rstrip("/"), asked(self.url, self.options)))
            found = files.get_file_info(FileSelector(under, allow_not_found=True))
        except TableNotFoundError:  # nothing is there yet
            return []
        except Exception as error:  # not all that it raises is an OSError
            raise ArchiveUnavailable(f"What the archive at {self.url} has is not known: {error}") from error
        return sorted(one.base_name for one in found if one.type is FileType.Directory)

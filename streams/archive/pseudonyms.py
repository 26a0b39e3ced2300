"""What stands in an archive in place of a personal value: its HMAC-SHA-256 by a secret key (RFC 2104), and which key.

A pseudonym is `<id>:<64 hexadecimal digits>`. The same value has the same one in all fields and topics, so that events
can be joined by it; without the key nobody can tell whose it is, nor try names until one fits.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import polars as pl

from schemas import EventType
from streams.errors import ArchiveRefused

LEAST = 32
"""Characters of a key at least."""
_KEY = re.compile(rf"([a-z0-9]{{1,16}}):(\S{{{LEAST},}})")


@dataclass(frozen=True)
class Pseudonyms:
    """Those of one platform.

    Attributes:
        keys: by their ids; the first makes pseudonyms, the others have made older ones.
    """

    keys: Mapping[str, bytes] = field(repr=False)

    @classmethod
    def of_text(cls, text: str) -> Pseudonyms | None:
        """Keys as a setting has them, `id:secret`, the newest first, with commas between; None where there are none.

        Raises:
            ArchiveRefused: they are not; the message does not show them.
        """
        if not text:
            return None
        found = [_KEY.fullmatch(part.strip()) for part in text.split(",")]
        keys = {part[1]: part[2].encode() for part in found if part is not None}
        if len(keys) != len(found):
            raise ArchiveRefused(
                f"archive_pii_key is a list of id:secret with commas between, the newest first: each id of its own, of "
                f"1 to 16 small letters and digits, and each secret of {LEAST} characters at least, without spaces."
            )
        return cls(keys)

    def of(self, value: str) -> str:
        """The pseudonym of a value."""
        return self.every(value)[0]

    def every(self, value: str) -> list[str]:
        """All that it may have: one for each key, the newest first."""
        return [f"{id}:{hmac.digest(key, value.encode(), 'sha256').hex()}" for id, key in self.keys.items()]

    def in_place(self, frame: pl.DataFrame, fields: Sequence[str]) -> pl.DataFrame:
        """Events with pseudonyms for the values of these fields; null stays null. Each value is worked out once."""
        columns = []
        for name in fields:
            values = frame[name].drop_nulls().unique()
            made = pl.Series([self.of(value) for value in values.to_list()], dtype=pl.String)
            columns.append(pl.col(name).replace_strict(values, made, default=None, return_dtype=pl.String))
        return frame.with_columns(columns)


def hidden(frame: pl.DataFrame, event_type: EventType, pseudonyms: Pseudonyms | None) -> pl.DataFrame:
    """Events as an archive may have them. Raises as `must_hide` does."""
    must_hide(event_type, pseudonyms)
    if pseudonyms is None or not event_type.hashed:
        return frame
    return pseudonyms.in_place(frame, event_type.hashed)


def must_hide(event_type: EventType, pseudonyms: Pseudonyms | None) -> None:
    """Raise ArchiveRefused where pseudonyms are wanted, and there is no key."""
    if pseudonyms is None and event_type.hashed:
        raise ArchiveRefused(
            f"{event_type.topic} has fields that an archive keeps as pseudonyms ({', '.join(event_type.hashed)}), and "
            "there is no key for these: set archive_pii_key to id:secret, such as 1: and 64 random hexadecimal digits."
        )

"""A version of a subject, as a registry knows it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Version:
    """One version of a subject: its number, the schema's id and text."""

    subject: str
    version: int
    id: int
    schema: str
    deleted: bool = False

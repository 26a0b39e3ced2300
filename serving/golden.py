"""A golden request: what an implementation must be able to answer before it is taken."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

Request = TypeVar("Request")
Response = TypeVar("Response")


@dataclass(frozen=True)
class Golden(Generic[Request, Response]):
    """A request, and what must be true of every implementation's answer to it.

    It is asked over the live storages, which may still be empty: a predicate holds over empty storages too, or the
    product cannot be loaded on a fresh platform.
    """

    request: Request
    holds: Callable[[Response], object]

"""The scripts of `storage/lua`, run over redis-py with every outcome told apart."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.resources import files
from typing import Any, cast

import hiredis
from redis.backoff import NoBackoff
from redis.connection import ConnectionPool
from redis.exceptions import (
    AskError,
    BusyLoadingError,
    ClusterDownError,
    NoPermissionError,
    NoScriptError,
    OutOfMemoryError,
    ReadOnlyError,
    RedisError,
    ResponseError,
    TryAgainError,
)
from redis.retry import Retry

from storage.errors import StorageError, StorageUnavailable, SuspectGeneration, UnknownOutcome

_FOR_NOW = re.compile(r"used memory >|read only replica|LOADING|MISCONF|NOREPLICAS|BUSY|NOAUTH")
_REFUSALS = (
    AskError,  # and what has moved
    BusyLoadingError,
    ClusterDownError,  # and a replica without its master
    NoPermissionError,
    OutOfMemoryError,
    ReadOnlyError,
    TryAgainError,
)
"""redis-py takes the code out of these errors' texts and says it by the class."""


@dataclass(frozen=True)
class Script:
    """One Lua script; `sha` is what Redis calls it by."""

    source: str
    sha: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "sha", hashlib.sha1(self.source.encode(), usedforsecurity=False).hexdigest())


def _script(*parts: str) -> Script:
    folder = files("storage").joinpath("lua")
    return Script("".join(folder.joinpath(f"{part}.lua").read_text("utf-8") for part in parts))


SWAP = _script("swap")
CLAIM = _script("claim")
READ = _script("fence", "read")
COMMIT = _script("fence", "commit")


class Pool(ConnectionPool):
    """Connections that never send anything twice: no retries, no health checks."""

    closed = False

    def get_connection(self, *arguments: Any, **options: Any) -> Any:
        """See `ConnectionPool`. Fails once it is closed."""
        if self.closed:
            raise RedisError("it is closed here")
        return super().get_connection(*arguments, **options)

    def close(self) -> None:
        """End every connection that nobody uses now."""
        self.closed = True
        self.disconnect(inuse_connections=False)


def pool(url: str, timeout: float) -> Pool:
    """
    Args:
        timeout: seconds to wait for a connection, and for each part of a reply.
    """
    return Pool.from_url(
        url,
        protocol=2,
        retry=Retry(NoBackoff(), 0),
        health_check_interval=0,
        socket_timeout=timeout,
        socket_connect_timeout=timeout,
    )


def run(pool: Pool, script: Script, keys: tuple[str, ...], *arguments: str | bytes | float) -> Any:
    """The script's reply. Blocks.

    Raises:
        StorageUnavailable: it was not applied.
        UnknownOutcome: it was sent, and there is no answer.
        SuspectGeneration: it failed on the way.
    """
    rest = (len(keys), *keys, *arguments)
    try:
        return run_command(pool, "EVALSHA", script.sha, *rest)
    except NoScriptError:
        pass  # a new server, or one that has restarted: it keeps what EVAL brings
    return run_command(pool, "EVAL", script.source, *rest)


@contextmanager
def harmless() -> Iterator[None]:
    """For what may be repeated at will: whether it was applied does not matter."""
    try:
        yield
    except UnknownOutcome as error:
        raise StorageUnavailable(str(error)) from error


@contextmanager
def discovering(pool: Pool) -> Iterator[None]:
    """For what only reads, by redis-py's client: any failure of Redis is a StorageUnavailable, but for a wrong type."""
    try:
        yield
    except ResponseError as error:
        raise _refusal(pool, error) from error
    except RedisError as error:
        raise StorageUnavailable(f"Redis at {_place(pool)} does not answer: {error}") from error


def run_command(pool: Pool, *command: str | bytes | float) -> Any:
    """One command, sent once: redis-py's own way of sending hides whether a command may have arrived."""
    packed = [hiredis.pack_command(cast(Any, command))]  # redis-py looks at every argument first
    try:
        connection = pool.get_connection()
    except RedisError as error:
        raise StorageUnavailable(f"Redis at {_place(pool)} cannot be reached: {error}") from error
    try:
        connection.send_packed_command(packed)
        return connection.read_response()
    except NoScriptError:
        raise
    except (ResponseError, BusyLoadingError) as error:
        raise _refusal(pool, error) from error
    except RedisError as error:
        raise UnknownOutcome(f"Redis at {_place(pool)} has not answered: {error}") from error
    finally:
        pool.release(connection)


def _refusal(pool: Pool, error: RedisError) -> StorageError:
    """What an error means that Redis answered with."""
    if isinstance(error, _REFUSALS) or _FOR_NOW.search(str(error)):
        return StorageUnavailable(f"Redis at {_place(pool)} refuses for now: {error}")
    return SuspectGeneration(f"Redis at {_place(pool)} could not do what the protocol's rows allow: {error}")


def _place(pool: Pool) -> str:
    """Its address for people, without a password."""
    where = pool.connection_kwargs
    if "path" in where:
        return str(where["path"])
    return f"{where.get('host', 'localhost')}:{where.get('port', 6379)}/{where.get('db', 0)}"

"""Connections to Redis that send nothing twice, and what its failures mean."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast

import hiredis
from redis.backoff import NoBackoff
from redis.connection import Connection, ConnectionPool, SSLConnection, UnixDomainSocketConnection
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
from redis.exceptions import ConnectionError as ConnectionGone
from redis.exceptions import TimeoutError as NoAnswer
from redis.retry import Retry

from storage.errors import StorageError, StorageUnavailable, SuspectGeneration, UnknownOutcome
from storage.handshake import perhaps
from storage.redis.address import ENCRYPTED, connection_settings, place

Command = tuple[str | bytes | float, ...]
_FOR_NOW = re.compile(r"used memory >|read only replica|LOADING|MISCONF|NOREPLICAS|BUSY|NOAUTH|non local key")
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


class Steady:
    """Of a connection: while it is held it never connects again, which redis-py would do without a word where it sends.

    A watch is the server's memory of one connection, and is gone with it.
    """

    held = False

    def connect_check_health(self, *arguments: Any, **options: Any) -> None:
        """See redis-py. Every way to connect leads through here."""
        if self.held:
            raise ConnectionGone("the connection is gone, and what it watched with it")
        try:
            super().connect_check_health(*arguments, **options)  # type: ignore[misc]
        except (ConnectionGone, NoAnswer) as error:
            if hint := perhaps(str(error), isinstance(self, SSLConnection), ENCRYPTED):
                raise type(error)(f"{str(error).rstrip('.')}{hint}") from error
            raise

    def tell(self, *commands: Command) -> None:
        """Send commands at once, each once. Raises UnicodeEncodeError before anything is sent."""
        packed = b"".join(hiredis.pack_command(cast(Any, command)) for command in commands)
        self.send_packed_command([packed])  # type: ignore[attr-defined]

    def forget(self) -> None:
        """Let go of the socket, and so of all that the server remembers of it."""
        self.disconnect()  # type: ignore[attr-defined]

    def hear(self) -> Any:
        """The reply to the next command. Raises RedisError."""
        return self.read_response()  # type: ignore[attr-defined]


class _Plain(Steady, Connection):
    pass


class _Tls(Steady, SSLConnection):
    pass


class _Socket(Steady, UnixDomainSocketConnection):
    pass


_KINDS = {SSLConnection: _Tls, UnixDomainSocketConnection: _Socket}


class Pool(ConnectionPool):
    """Connections that never send anything twice: no retries, no health checks. Thread-safe."""

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

    @property
    def place(self) -> str:
        """Its address for people, without a password."""
        return place(self.connection_kwargs)


def pool(url: str, timeout: float) -> Pool:
    """
    Args:
        timeout: seconds to wait for a connection, and for each part of a reply.

    Raises:
        FormatRefused: it is no such address.
    """
    settings = connection_settings(url)
    return Pool(
        connection_class=_KINDS.get(settings.pop("connection_class", Connection), _Plain),
        **settings,
        protocol=2,
        retry=Retry(NoBackoff(), 0),
        health_check_interval=0,
        socket_timeout=timeout,
        socket_connect_timeout=timeout,
    )


@contextmanager
def exchange(pool: Pool) -> Iterator[Steady]:
    """A connection for commands that are sent once, by `tell` and `hear`: redis-py's own way of sending hides whether
    a command may have arrived.

    Raises:
        StorageUnavailable: Redis is not reached, or refuses for now.
        UnknownOutcome: something was sent, and there is no answer.
        SuspectGeneration: rows are not of the kind that they should be.
    """
    try:
        connection = pool.get_connection()
    except RedisError as error:
        raise StorageUnavailable(f"Redis at {pool.place} cannot be reached: {error}") from error
    try:
        yield connection
    except NoScriptError:
        raise
    except (ResponseError, BusyLoadingError) as error:
        raise refusal(pool, error) from error
    except RedisError as error:
        raise UnknownOutcome(f"Redis at {pool.place} has not answered: {error}") from error
    finally:
        pool.release(connection)


def run_command(pool: Pool, *command: str | bytes | float) -> Any:
    """One command's reply. Raises as `exchange` does."""
    with exchange(pool) as connection:
        connection.tell(command)
        return connection.hear()


@contextmanager
def discovering(pool: Pool) -> Iterator[None]:
    """For what only reads, by redis-py's client: any failure of Redis is a StorageUnavailable, but for a wrong type."""
    try:
        yield
    except ResponseError as error:
        raise refusal(pool, error) from error
    except RedisError as error:
        raise StorageUnavailable(f"Redis at {pool.place} does not answer: {error}") from error


def refusal(pool: Pool, error: RedisError) -> StorageError:
    """What an error means that Redis answered with."""
    if isinstance(error, _REFUSALS) or _FOR_NOW.search(str(error)):
        return StorageUnavailable(f"Redis at {pool.place} refuses for now: {error}")
    return SuspectGeneration(f"Redis at {pool.place} could not do what the protocol's rows allow: {error}")

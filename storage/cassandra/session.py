"""A session of cassandra-driver as this technology needs it: no retries of its own, and every failure told apart."""

from __future__ import annotations

import socket
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from threading import Lock
from typing import Any, BinaryIO

from cassandra import (
    AuthenticationFailed,
    ConsistencyLevel,
    DriverException,
    InvalidRequest,
    OperationTimedOut,
    Unauthorized,
)
from cassandra.auth import PlainTextAuthProvider
from cassandra.cluster import (
    EXEC_PROFILE_DEFAULT,
    Cluster,
    ExecutionProfile,
    NoHostAvailable,
    ResponseFuture,
    Session,
)
from cassandra.connection import ConnectionException
from cassandra.policies import (
    ConstantReconnectionPolicy,
    DCAwareRoundRobinPolicy,
    FallthroughRetryPolicy,
    TokenAwarePolicy,
)
from cassandra.protocol import ErrorMessage
from cassandra.query import BatchStatement, BatchType, PreparedStatement, tuple_factory

from storage.cassandra.address import CassandraAddress
from storage.cassandra.batches import Batch
from storage.cassandra.tables import make, missing
from storage.errors import StorageError, StorageUnavailable, SuspectGeneration, UnknownOutcome
from storage.handshake import perhaps

Rows = list[tuple[Any, ...]]
Encoded = tuple[bytes | None, ...]
"""Values of one statement, each as Cassandra encodes it; None = null."""

_AT_ONCE = ((socket.IPPROTO_TCP, socket.TCP_NODELAY, 1),)
"""Without it a small request takes 48 ms instead of 2.4: Nagle's algorithm waits for a delayed ACK."""
_CONNECTION = {
    "out_buffer_size": 1 << 18,
    "in_buffer_size": 1 << 16,
    "_socket_writable": property(lambda _: True, lambda _, writable: None),
}
"""Bytes that are sent and read at once: the driver's 4 KiB make a commit of 2,000 rows 130 packets, and the nodes put
them together again, a third of its time. And what is sent while the socket is full waits for it: the driver refuses it
("overloaded") and never gives back the number that it took for it. A commit's size and _IN_FLIGHT bound what waits."""
_PROTOCOL = 4
_IN_FLIGHT = 32
_AGAIN = 0.25  # seconds between two attempts to reach a node that is away
_FAILURES = (DriverException, ErrorMessage, NoHostAvailable, ConnectionException, OSError)
"""A server's own words for which the driver has no exception (it is overloaded, or stops) are raised as they came."""


class CassandraSession:
    """One cluster, by its address. Connects, and makes its tables, with the first call. Thread-safe."""

    def __init__(self, address: CassandraAddress, timeout: float) -> None:
        """
        Args:
            timeout: seconds without an answer after which a call gives up.
        """
        self.address = address
        self._timeout = timeout
        self._lock = Lock()
        self._connected: Session | None = None
        self._closed = False
        self._prepared: dict[str, PreparedStatement] = {}

    def connect(self, *statements: str) -> None:
        """Connect, unless that is done, and prepare these statements. Blocks.

        Raises:
            StorageUnavailable: no node answers, or it lets us not in.
        """
        with asking(self.address):
            for text in statements:
                self.prepared(text)
            self._session()

    def prepared(self, text: str) -> PreparedStatement:
        """The statement, prepared once, its tables written as @table. Blocks the first time."""
        found = self._prepared.get(text)
        if found is None:
            whole = text.replace("@", f"{self.address.keyspace}.")
            found = self._prepared[text] = self._session().prepare(whole)
        return found

    def send(self, text: str, values: Sequence[Any] = (), serial: bool = False) -> ResponseFuture:
        """Send a prepared statement; `serial` reads what conditional updates have agreed upon, to its end."""
        bound = self.prepared(text).bind(values)
        if serial:
            bound.consistency_level = ConsistencyLevel.SERIAL
        return self._session().execute_async(bound)

    def send_batch(
        self, statements: Iterable[tuple[str, Sequence[Encoded]]], routing: Sequence[bytes]
    ) -> ResponseFuture:
        """Send prepared statements with encoded values as one batch of one partition, which applies as one.

        Args:
            routing: the partition's key, so that a node is asked that has it.
        """
        statement = self._batch(routing)
        for text, rows in statements:
            query = self.prepared(text).query_id
            statement._statements_and_parameters += [(True, query, row) for row in rows]
        return self._session().execute_async(statement)

    def send_encoded(self, batch: Batch) -> ResponseFuture:
        """Send a batch that is not conditional as it is."""
        statement = self._batch(batch.partition)
        statement.encoded = batch.body(ConsistencyLevel.QUORUM)
        return self._session().execute_async(statement)

    def _batch(self, routing: Sequence[bytes]) -> BatchStatement:
        found = BatchStatement(BatchType.UNLOGGED, serial_consistency_level=ConsistencyLevel.SERIAL)
        found.keyspace = self.address.keyspace
        found.routing_key = list(routing) if len(routing) > 1 else routing[0]
        return found

    def read(self, text: str, *values: Any, serial: bool = False) -> Rows:
        """Every row that a statement answers.

        Raises:
            StorageUnavailable: no answer.
        """
        with asking(self.address):
            return list(self.send(text, values, serial).result())

    def pages(self, text: str, *values: Any) -> Iterator[tuple[Any, ...]]:
        """The rows that a statement answers, a page at a time. Raises as `read` does."""
        with asking(self.address):
            yield from self.send(text, values).result()

    def write(self, text: str, *values: Any) -> Rows:
        """Run a statement that changes something.

        Raises:
            UnknownOutcome: no answer; it may have been applied.
        """
        with telling(self.address):
            return list(self.send(text, values).result())

    def close(self) -> None:
        """Let go of connections; other calls fail afterwards."""
        with self._lock:
            self._closed = True
            if self._connected is not None:
                self._connected.cluster.shutdown()

    def _session(self) -> Session:
        if self._connected is not None and not self._closed:
            return self._connected
        with self._lock:
            if self._closed:
                raise StorageUnavailable(f"Cassandra at {self.address.where} is closed here.")
            if self._connected is None:
                with asking(self.address):
                    self._connected = self._connect()
            return self._connected

    def _connect(self) -> Session:
        cluster = self._cluster()
        try:
            session = cluster.connect()
            session.add_request_init_listener(_as_encoded)

            def ask(text: str) -> Any:
                return session.execute(text, timeout=60.0)

            if missing(ask, self.address.keyspace):
                make(ask, self.address.keyspace, self.address.replication)
        except BaseException:
            cluster.shutdown()
            raise
        return session

    def _cluster(self) -> Cluster:
        address = self.address
        balancing = TokenAwarePolicy(DCAwareRoundRobinPolicy(address.options.get("local_dc", "")))
        profile = ExecutionProfile(
            load_balancing_policy=balancing,
            retry_policy=FallthroughRetryPolicy(),  # the default one repeats writes that may have been applied
            consistency_level=ConsistencyLevel.QUORUM,
            serial_consistency_level=ConsistencyLevel.SERIAL,
            request_timeout=self._timeout,
            row_factory=tuple_factory,
        )
        return Cluster(
            list(address.nodes),
            auth_provider=PlainTextAuthProvider(address.user, address.password) if address.user else None,
            ssl_context=address.ssl_context(),
            execution_profiles={EXEC_PROFILE_DEFAULT: profile},
            reconnection_policy=ConstantReconnectionPolicy(_AGAIN, max_attempts=None),
            connect_timeout=self._timeout,
            control_connection_timeout=self._timeout,
            connection_class=type("Connection", (Cluster.connection_class,), _CONNECTION),
            sockopts=_AT_ONCE,
            protocol_version=_PROTOCOL,
        )


class Flight:
    """Requests that are sent as the iterable makes them, a number of them at a time; the first ones at once."""

    def __init__(self, requests: Iterable[ResponseFuture]) -> None:
        self._rest = iter(requests)
        self._sent = deque(islice(self._rest, _IN_FLIGHT))

    def land(self) -> None:
        """Wait for all answers; raises what one of them raises."""
        while self._sent:
            self._sent.popleft().result()
            self._sent.extend(islice(self._rest, 1))


def _as_encoded(request: ResponseFuture) -> None:
    """A batch that is encoded already takes the place of what the driver would make."""
    encoded = getattr(request.query, "encoded", None)
    if encoded is not None:

        def send_body(file: BinaryIO, _: int) -> None:
            file.write(encoded)

        request.message.send_body = send_body


@contextmanager
def asking(address: CassandraAddress) -> Iterator[None]:
    """Requests that change nothing, or may be sent again: without an answer the storage is unavailable."""
    try:
        yield
    except _FAILURES as error:
        raise failure(error, address) from error


@contextmanager
def telling(address: CassandraAddress) -> Iterator[None]:
    """Requests that change something: without an answer they may have been applied."""
    try:
        yield
    except _FAILURES as error:
        found = failure(error, address)
        if isinstance(found, StorageUnavailable) and not _refused(error):
            raise UnknownOutcome(str(found)) from error
        raise found from error


def failure(error: BaseException, address: CassandraAddress) -> StorageError:
    """What a failure of the driver means."""
    causes = [error, *(error.errors.values() if isinstance(error, NoHostAvailable) else ())]
    for cause in causes:
        if isinstance(cause, AuthenticationFailed):
            return StorageUnavailable(f"Cassandra at {address.where} does not let {address.user or 'anybody'} in.")
        if isinstance(cause, Unauthorized):
            return StorageUnavailable(
                f"Cassandra at {address.where} refuses {address.user or 'everybody'}: {_text(cause)}."
            )
        if isinstance(cause, InvalidRequest):
            return SuspectGeneration(f"Cassandra at {address.where} refuses a request: {_text(cause)}.")
    if isinstance(error, OperationTimedOut):
        return StorageUnavailable(f"Cassandra at {address.where} does not answer in time.")
    known = dict.fromkeys(_text(cause) for cause in causes[1:])
    if isinstance(error, NoHostAvailable) and not known:
        known = {"no node is connected; see what their logs say, and start them": None}
    problem = "; ".join(known) or _text(error)
    problem += perhaps(problem, "ssl_ca_certs" in address.options, "ssl_ca_certs")
    return StorageUnavailable(f"Cassandra at {address.where} cannot be asked: {problem}.")


def _refused(error: BaseException) -> bool:
    return isinstance(error, Unauthorized | AuthenticationFailed)


def _text(error: object) -> str:
    return str(error).strip().rstrip(".").replace("\n", " ")[:300] or type(error).__name__

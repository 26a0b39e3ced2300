"""A commit of records by WATCH and MULTI, disturbed at every step from outside."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
import redis

from storage.address import Address
from storage.errors import StorageUnavailable, SuspectGeneration, UnknownOutcome
from storage.redis.keys import Keys
from storage.redis.pool import Steady
from storage.redis.redis import Redis
from storage.unit import Claim, Outcome
from storage.writes import Writes
from tests.conftest import free_ports
from tests.contracts.model import RECORDS, storage, unit

KEYS = Keys("watching", 1)
ROW = Address(RECORDS, "k")
STEPS = 10
"""Two writes to the socket, and a reply each for WATCH, HMGET, TIME, TYPE, and for MULTI, HSET, HSET, EXEC."""
SECOND_WRITE = 5


def put(value: bytes) -> Writes:
    return Writes(puts={ROW: value})


@pytest.fixture
def technology(redis_clean: str) -> Iterator[Redis]:
    made = Redis(redis_clean)
    yield made
    made.close()


@pytest.fixture
def raw(redis_clean: str) -> Iterator[redis.Redis]:
    """Somebody who writes around the protocol."""
    with redis.Redis.from_url(redis_clean) as client:
        yield client


@pytest.fixture
def at_step(monkeypatch: pytest.MonkeyPatch) -> Callable[[int, Callable[[Steady], object]], list[int]]:
    """Lets something happen before a step of the next commit, once; returns a list that grows with every step."""

    def arrange(step: int, happen: Callable[[Steady], object]) -> list[int]:
        taken: list[int] = []
        for name in ("tell", "hear"):
            real = getattr(Steady, name)

            def step_by_step(self: Steady, *commands: object, real: Callable[..., object] = real) -> object:
                taken.append(len(taken))
                if len(taken) == step + 1:
                    monkeypatch.undo()
                    happen(self)
                return real(self, *commands)

            monkeypatch.setattr(Steady, name, step_by_step)
        return taken

    return arrange


AtStep = Callable[[int, Callable[[Steady], object]], list[int]]


def test_a_commit_has_so_many_steps(technology: Redis, at_step: AtStep) -> None:
    claim = technology.claim(unit(), "a")
    taken = at_step(1_000, lambda _: None)
    assert technology.commit(claim, None, 1, put(b"x"), 5) is Outcome.OK
    assert len(taken) == STEPS


@pytest.mark.parametrize("step", range(STEPS))
def test_a_connection_that_is_killed_at_any_step_is_an_unknown_outcome_that_the_identical_commit_settles(
    technology: Redis, raw: redis.Redis, at_step: AtStep, step: int
) -> None:
    claim = technology.claim(unit(), "a")
    at_step(step, lambda _: raw.client_kill_filter(_type="normal", skipme=True))
    try:
        first = technology.commit(claim, None, 1, put(b"x"), 5)
    except UnknownOutcome:
        first = None
    assert first in (None, Outcome.OK)
    assert technology.commit(claim, None, 1, put(b"x"), 5) in (Outcome.OK, Outcome.ALREADY)
    assert dict(technology.dump(storage(RECORDS))) == {ROW: b"x"}
    assert [(state.next, state.watermark_ms) for state in technology.units(storage(RECORDS))] == [(1, 5)]


@pytest.mark.parametrize("kill", [True, False])
@pytest.mark.parametrize("step", range(STEPS))
def test_whoever_is_fenced_at_any_step_overwrites_nothing_whether_its_connection_lives_or_not(
    technology: Redis, redis_clean: str, raw: redis.Redis, at_step: AtStep, step: int, kill: bool
) -> None:
    """Sent again without its watch, as redis-py would, the commit would bring back the zombie's row."""
    zombie, other = technology.claim(unit(), "a"), Redis(redis_clean)

    def take_over(_: Steady) -> None:
        claim = other.claim(unit(), "b")
        if kill:
            raw.client_kill_filter(_type="normal", skipme=True)
        assert other.commit(claim, claim.next, 9, put(b"other"), 9) is Outcome.OK

    at_step(step, take_over)
    try:
        assert technology.commit(zombie, None, 1, put(b"zombie"), 5) in (Outcome.FENCED, Outcome.OK)
    except UnknownOutcome:
        assert kill
    assert technology.commit(zombie, None, 1, put(b"zombie"), 5) is Outcome.FENCED
    assert dict(technology.dump(storage(RECORDS))) == {ROW: b"other"}
    assert [state.next for state in technology.units(storage(RECORDS))] == [9]
    other.close()


def test_a_connection_that_is_gone_between_watch_and_exec_is_not_made_again(
    technology: Redis, raw: redis.Redis, at_step: AtStep
) -> None:
    claim = technology.claim(unit(), "a")
    at_step(SECOND_WRITE, lambda connection: connection.forget())  # as another thread that closes the pool would
    with pytest.raises(UnknownOutcome, match="watched"):
        technology.commit(claim, None, 1, put(b"x"), None)
    assert not raw.exists(KEYS.records(RECORDS))
    assert technology.commit(claim, None, 1, put(b"x"), None) is Outcome.OK


def test_a_fence_that_changes_at_every_look_is_an_unknown_outcome_with_nothing_written(
    technology: Redis, raw: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    claim, real, numbers = technology.claim(unit(), "a"), Steady.tell, iter(range(100))

    def disturbed(self: Steady, *commands: tuple[str | bytes | float, ...]) -> None:
        if commands[0] == ("MULTI",):
            raw.hset(KEYS.unit("clicks/0"), "disturbance", str(next(numbers)))
        real(self, *commands)

    monkeypatch.setattr(Steady, "tell", disturbed)
    with pytest.raises(UnknownOutcome, match="nothing was written"):
        technology.commit(claim, None, 1, put(b"x"), None)
    monkeypatch.undo()
    assert next(numbers) == 3
    assert not raw.exists(KEYS.records(RECORDS))
    assert technology.commit(claim, None, 1, put(b"x"), None) is Outcome.OK


def test_a_wrong_type_is_found_before_anything_is_written_and_the_generation_is_suspect(
    technology: Redis, raw: redis.Redis
) -> None:
    zombie = technology.claim(unit(), "a")
    claim = technology.claim(unit(), "b")
    raw.lpush(KEYS.records(RECORDS), "x")
    both = Writes(puts={ROW: b"x", Address("records/other", "k"): b"y"})
    assert technology.commit(zombie, None, 1, both, None) is Outcome.FENCED
    with pytest.raises(SuspectGeneration, match="no hash"):
        technology.commit(claim, None, 1, both, None)
    with pytest.raises(SuspectGeneration, match="no hash"):
        technology.claim(unit(), "c")
    with pytest.raises(SuspectGeneration, match="no hash"):
        technology.commit(claim, None, 1, both, None)
    assert not raw.exists(KEYS.records("records/other"))
    assert raw.hget(KEYS.unit("clicks/0"), "next") is None


def test_a_row_that_cannot_be_written_after_all_leaves_the_mark(
    technology: Redis, raw: redis.Redis, at_step: AtStep
) -> None:
    claim = technology.claim(unit(), "a")
    at_step(SECOND_WRITE, lambda _: raw.lpush(KEYS.records(RECORDS), "x"))
    for again in (
        lambda: technology.commit(claim, None, 1, put(b"x"), None),
        lambda: technology.commit(claim, None, 1, put(b"x"), None),
        lambda: technology.claim(unit(), "b"),
    ):
        with pytest.raises(SuspectGeneration, match="half applied"):
            again()


def test_a_redis_without_memory_is_unavailable_and_nothing_is_written(technology: Redis, raw: redis.Redis) -> None:
    claim = technology.claim(unit(), "a")
    raw.config_set("maxmemory", 1)
    try:
        with pytest.raises(StorageUnavailable, match="memory"):
            technology.commit(claim, None, 1, put(b"x"), None)
    finally:
        raw.config_set("maxmemory", 0)
    assert not raw.exists(KEYS.records(RECORDS))
    assert technology.commit(claim, None, 1, put(b"x"), None) is Outcome.OK


def test_a_replica_is_unavailable_for_writing(technology: Redis, raw: redis.Redis) -> None:
    claim = technology.claim(unit(), "a")
    raw.replicaof("127.0.0.1", free_ports(1)[0])
    try:
        with pytest.raises(StorageUnavailable, match="read only"):
            technology.commit(claim, None, 1, put(b"x"), None)
    finally:
        raw.replicaof("NO", "ONE")
    assert technology.commit(claim, None, 1, put(b"x"), None) is Outcome.OK


def test_a_commit_without_an_answer_is_unknown_and_the_identical_one_settles_it(
    redis_clean: str, raw: redis.Redis
) -> None:
    technology = Redis(redis_clean, timeout=0.2)
    claim = technology.claim(unit(), "a")
    raw.client_pause(500)
    with pytest.raises(UnknownOutcome):
        technology.commit(claim, None, 1, put(b"x"), None)
    raw.ping()  # answered when the pause is over
    assert technology.commit(claim, None, 1, put(b"x"), None) in (Outcome.OK, Outcome.ALREADY)
    assert dict(technology.dump(storage(RECORDS))) == {ROW: b"x"}
    technology.close()


def test_exec_is_sent_exactly_once_by_itself() -> None:
    """A server that hangs up when it is told to execute."""
    received: list[bytes] = []
    looked = b"+OK\r\n*5\r\n$1\r\n1\r\n$1\r\na\r\n$-1\r\n$-1\r\n$-1\r\n*2\r\n$1\r\n1\r\n$1\r\n1\r\n+hash\r\n"
    with ExitStack() as stack:
        server = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        server.settimeout(0.5)

        def serve() -> None:
            try:
                while True:
                    connection, _ = server.accept()
                    with connection:
                        while b"MULTI" not in (data := connection.recv(1 << 16)) and data:
                            connection.sendall(looked if b"WATCH" in data else b"+OK\r\n" * data.count(b"*"))
                        received.append(data)
            except TimeoutError:
                pass

        thread = threading.Thread(target=serve)
        thread.start()
        technology = Redis(f"redis://127.0.0.1:{server.getsockname()[1]}/0", timeout=0.3)
        with pytest.raises(UnknownOutcome):
            technology.commit(Claim(unit(), 1, "a", None), None, 1, put(b"x"), None)
        thread.join()
    assert len([data for data in received if data]) == 1


def test_units_of_one_generation_that_put_into_one_storage_do_not_disturb_one_another(redis_clean: str) -> None:
    """Only the fence is watched: with the rows' hash watched too, nearly every commit here would be refused."""
    technology, commits = Redis(redis_clean), 50
    troubles: list[BaseException] = []

    def work(partition: int) -> None:
        try:
            claim = technology.claim(unit(partition=partition), "a")
            for new in range(1, commits + 1):
                rows = {Address(RECORDS, f"{partition}-{number}"): b"%d" % new for number in range(100)}
                position = None if new == 1 else new - 1
                assert technology.commit(claim, position, new, Writes(puts=rows), new) is Outcome.OK
        except BaseException as error:
            troubles.append(error)

    threads = [threading.Thread(target=work, args=(partition,)) for partition in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not troubles
    assert set(dict(technology.dump(storage(RECORDS))).values()) == {b"%d" % commits}
    assert len(dict(technology.dump(storage(RECORDS)))) == 400
    technology.close()

"""A live service while the models service is away, late or failing: what is tried again, how long, and what answers."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

import httpx
import pytest

from serving import AnswerMalformed, AnswerRefused, Client, ServiceUnreachable
from tests.conftest import free_ports
from tests.serving.shop import Recommend, Recommendations, popular

BRIEF = timedelta(milliseconds=300)
HEADERS = "millrace-decision: d1\r\nmillrace-implementation: popular_now@1"
OURS = Recommendations(["ours"])


def said(status: str, body: str, *headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status}", f"content-length: {len(body)}", *headers]
    return ("\r\n".join(lines) + "\r\n\r\n" + body).encode()


ANSWER = said("200 OK", '{"items":["a"]}', HEADERS)
BUSY = said("503 Busy", '{"title":"Busy","detail":"later"}', "retry-after: 0")


@asynccontextmanager
async def server(*turns: bytes | float | None, port: int = 0) -> AsyncIterator[tuple[str, list[bytes]]]:
    """A server that gives each request its turn: bytes, a pause in seconds, or None = the connection is cut."""
    asked: list[bytes] = []
    conversations: list[tuple[asyncio.Task[None] | None, asyncio.StreamWriter]] = []

    async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        conversations.append((asyncio.current_task(), writer))
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                size = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0] or 0)
                body = await reader.readexactly(size)
                asked.append(head + body)
                turn = turns[min(len(asked), len(turns)) - 1]
                if isinstance(turn, float):
                    await asyncio.wait([over], timeout=turn)
                elif turn is None:
                    break
                else:
                    writer.write(turn)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    over = asyncio.get_running_loop().create_future()
    listening = await asyncio.start_server(converse, "127.0.0.1", port)
    try:
        yield f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}", asked
    finally:
        over.set_result(None)
        listening.close()
        for task, writer in conversations:
            writer.close()
            assert task is not None
            await task


AWHILE = timedelta(seconds=1)
"""Long beside one try: a try that the deadline cuts off is told in other words."""


def nowhere() -> str:
    return f"http://127.0.0.1:{free_ports(1)[0]}"


async def test_a_service_that_is_away_is_an_error_that_says_where_and_why() -> None:
    async with Client(address := nowhere()) as client:
        with pytest.raises(ServiceUnreachable, match=rf"{address}/v1/recommend did not answer: ConnectError"):
            await client.ask(popular(), Recommend("u1"), deadline=AWHILE)


async def test_the_local_default_stands_in_for_it_and_says_so() -> None:
    async with Client(nowhere()) as client:
        answer = await client.ask(popular(), Recommend("u1"), deadline=AWHILE, default=OURS)
    assert (answer.value, answer.decision, answer.fallback, answer.implementation) == (OURS, None, "local", "local")
    assert answer.reason is not None
    assert "did not answer: ConnectError" in answer.reason


async def test_a_service_that_comes_back_within_the_deadline_answers() -> None:
    [port] = free_ports(1)
    async with Client(f"http://127.0.0.1:{port}") as client:
        asking = asyncio.create_task(client.ask(popular(), Recommend("u1"), deadline=timedelta(seconds=5)))
        await asyncio.sleep(0.05)
        async with server(ANSWER, port=port):
            assert (await asking).value == Recommendations(["a"])


async def test_a_connection_that_is_cut_before_the_answer_is_tried_again() -> None:
    async with server(None, ANSWER) as (address, asked), Client(address) as client:
        answer = await client.ask(popular(), Recommend("u1"), deadline=timedelta(seconds=5))
    assert (answer.decision, len(asked)) == ("d1", 2)


async def test_an_answer_that_breaks_off_is_not_asked_for_again() -> None:
    async with server(ANSWER.replace(b"length: 15", b"length: 99"), 0.0) as (address, asked), Client(address) as client:
        with pytest.raises(ServiceUnreachable, match=r"broke off|did not answer"):
            await client.ask(popular(), Recommend("u1"), deadline=BRIEF)
    assert len(asked) == 1


async def test_an_overloaded_service_is_asked_again_when_it_says() -> None:
    async with server(BUSY, ANSWER) as (address, asked), Client(address) as client:
        assert (await client.ask(popular(), Recommend("u1"), deadline=timedelta(seconds=5))).decision == "d1"
    assert len(asked) == 2


async def test_a_service_that_says_to_come_back_too_late_is_not_waited_for() -> None:
    busy = BUSY.replace(b"retry-after: 0", b"retry-after: 9")
    async with server(busy) as (address, asked), Client(address) as client:
        began = time.monotonic()
        with pytest.raises(AnswerRefused, match="503 Busy: later"):
            await client.ask(popular(), Recommend("u1"), deadline=timedelta(seconds=5))
        assert time.monotonic() - began < 2
        answer = await client.ask(popular(), Recommend("u1"), deadline=timedelta(seconds=5), default=OURS)
    assert (answer.value, answer.reason, len(asked)) == (OURS, "503 Busy: later", 2)


async def test_a_request_that_is_wrong_is_refused_also_where_there_is_a_default() -> None:
    async with server(said("400 Bad", '{"title":"Wrong"}')) as (address, asked), Client(address) as client:
        with pytest.raises(AnswerRefused, match="400 Wrong"):
            await client.ask(popular(), Recommend("u1"), default=OURS)
    assert len(asked) == 1


async def test_something_else_than_a_problem_is_a_refusal_too() -> None:
    async with server(said("502 Bad Gateway", "<html>")) as (address, _), Client(address) as client:
        with pytest.raises(AnswerRefused, match="502"):
            await client.ask(popular(), Recommend("u1"))


async def test_the_deadline_holds_for_everything() -> None:
    async with server(5.0) as (address, _), Client(address) as client:
        began = time.monotonic()
        with pytest.raises(ServiceUnreachable, match="within 300 ms"):
            await client.ask(popular(), Recommend("u1"), deadline=BRIEF)
        assert 0.29 < time.monotonic() - began < 2


@pytest.mark.parametrize(
    ("declared", "said_there", "milliseconds"), [(timedelta(milliseconds=250), 9_000, "350"), (None, 150, r"[12]\d\d")]
)
async def test_without_a_word_the_deadline_is_the_types_own_or_the_services_and_a_little_for_the_way(
    declared: timedelta | None, said_there: int, milliseconds: str
) -> None:
    index = said("200 OK", f'{{"endpoints":[{{"name":"recommend","deadline_ms":{said_there}}}],"goals":{{}}}}')
    kind = popular()
    kind.deadline = declared  # type: ignore[assignment]  # as the small wheel's endpoint type may have none
    turns = [5.0] if declared is not None else [index, 5.0]
    async with server(*turns) as (address, _), Client(address) as client:
        with pytest.raises(ServiceUnreachable, match=rf"within {milliseconds} ms"):
            await client.ask(kind, Recommend("u1"))


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (said("200 OK", '{"things":[]}', HEADERS), "missing required field `items`"),
        (said("200 OK", "<html>", HEADERS), "malformed"),
        (said("200 OK", '{"items":[]}'), "lacks the header .millrace-decision."),
    ],
)
async def test_an_answer_of_another_type_is_said_with_the_place(answer: bytes, why: str) -> None:
    async with server(answer) as (address, _), Client(address) as client:
        with pytest.raises(AnswerMalformed, match=rf"is no Recommendations: .*{why}"):
            await client.ask(popular(), Recommend("u1"), default=OURS)


async def test_requests_of_a_client_share_kept_connections() -> None:
    opened = 0

    class Counting(httpx.AsyncHTTPTransport):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            async def trace(name: str, info: object) -> None:
                nonlocal opened
                opened += name == "connection.connect_tcp.complete"

            request.extensions["trace"] = trace
            return await super().handle_async_request(request)

    async with server(ANSWER) as (address, asked), httpx.AsyncClient(transport=Counting()) as http:
        async with Client(address, http) as client:
            for _ in range(20):
                await client.ask(popular(), Recommend("u1"))
    assert (len(asked), opened) == (20, 1)


async def test_a_reward_is_sent_again_under_the_same_key() -> None:
    index = said("200 OK", '{"endpoints":[],"goals":{"click":{"topic":"clicks","decision":"decision"}}}')
    async with server(index, None, None, said("202 Accepted", "{}")) as (address, asked), Client(address) as client:
        await client.reward("d1", goal="click", item="a")
    keys = {head.partition(b"idempotency-key: ")[2].partition(b"\r\n")[0] for head in asked[1:]}
    assert (len(asked), len(keys), len(keys.pop())) == (4, 1, 32)
    assert asked[3].endswith(b'{"item":"a","decision":"d1"}')

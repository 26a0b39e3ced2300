"""What a live service asks with: one connection pool, typed requests in, typed answers out."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta
from types import TracebackType
from typing import Any, Self, TypeVar
from uuid import uuid4

import httpx
import msgspec

from serving.answer import LOCAL, Answer, Asked
from serving.errors import AnswerMalformed, AnswerRefused, ServiceUnreachable
from serving.pool import Pool

Request = TypeVar("Request")
Response = TypeVar("Response")

ON_THE_WAY = timedelta(milliseconds=100)
"""Beside an endpoint type's deadline: at the deadline the service answers with its own fallback; it should arrive."""
UNSAID = timedelta(seconds=1)
"""An ask's deadline where neither the caller nor the endpoint type nor the service says one."""
REWARD = timedelta(seconds=5)
"""For a reward to be acknowledged."""


class _Known(msgspec.Struct):
    """An endpoint type in `GET /v1`."""

    name: str
    deadline_ms: float
    version: int = 1


class _Goal(msgspec.Struct):
    topic: str
    decision: str


class _Index(msgspec.Struct):
    """What a client needs of `GET /v1`."""

    endpoints: list[_Known] = []
    goals: dict[str, _Goal] = {}


class Client:
    """Asks a models service; for one event loop. `async with Client("http://127.0.0.1:18080") as client: ...`.

    Args:
        address: of the service.
        http: a client of your own in place of the pool; it is left open.
        key: shown to a service that asks for one; left out, the one in the environment, `MILLRACE_API_KEY`.
    """

    def __init__(self, address: str, http: httpx.AsyncClient | None = None, *, key: str | None = None) -> None:
        self._pool = Pool(address, http, key)
        self._index: _Index | None = None

    async def ask(
        self,
        endpoint_type: Asked[Request, Response],
        request: Request,
        implementation: str | None = None,
        *,
        deadline: timedelta | None = None,
        default: Response | None = None,
    ) -> Answer[Response]:
        """The answer to a request; of one implementation, outside experiments, where one is named.

        While the service is away, late, failing (any 5xx) or asked too often (429), the local default is the answer, if
        there is one: its `fallback` is "local" and its `reason` says why.

        Args:
            deadline: for everything, with repeated tries; left out, 100 ms more than the endpoint type's own.
            default: the local default; left out, the endpoint type's.

        Raises:
            AnswerRefused: the service answered with a problem, which the error carries.
            AnswerMalformed: the answer is not of the endpoint type's response.
            ServiceUnreachable: it did not answer, and there is no default.
        """
        if default is None:
            default = endpoint_type.default
        place = f"/v1/{_title(endpoint_type)}" + (f"/{implementation}" if implementation else "")
        try:
            until = await self._until(endpoint_type, deadline)
            answer = await self._pool.send("POST", place, until, _written(request))
        except (ServiceUnreachable, AnswerRefused) as error:
            if default is None or (isinstance(error, AnswerRefused) and error.status < 500 and error.status != 429):
                raise
            return Answer(default, None, LOCAL, fallback=LOCAL, reason=str(error))
        return _answer(endpoint_type, answer)

    async def reward(self, decision: str | None, goal: str, *, deadline: timedelta = REWARD, **fields: Any) -> None:
        """Send the event that rewards a decision, and wait until Kafka has it.

        It is sent again until the deadline, with a key by which the service knows it again, so that it counts once.

        Args:
            decision: None, as a local default has it, sends the event all the same: it is learned, and rewards nobody.
            goal: the goal's name, which says the topic, and the field that carries the decision.
            fields: the event's other fields.

        Raises:
            AnswerRefused: there is no such goal, or the event does not fit its schema.
            ServiceUnreachable: the service did not answer; whether it has the event is not known.
        """
        until = _now() + deadline.total_seconds()
        found = await self._goal(goal, until)
        event = msgspec.json.encode({**fields, found.decision: decision})
        await self._pool.send("POST", f"/events/{found.topic}", until, event, {"idempotency-key": uuid4().hex})

    async def close(self) -> None:
        """Close the connections."""
        await self._pool.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def _until(self, endpoint_type: Asked[Any, Any], deadline: timedelta | None) -> float:
        """When to give an ask up, by the event loop's clock."""
        began = _now()
        if deadline is None and endpoint_type.deadline is not None:
            deadline = endpoint_type.deadline + ON_THE_WAY
        if deadline is None:
            unsaid = began + UNSAID.total_seconds()
            index = await self._indexed(unsaid, lambda index: bool(_named(index, endpoint_type)))
            said = _named(index, endpoint_type)
            if not said:
                return unsaid
            deadline = timedelta(milliseconds=said[0].deadline_ms) + ON_THE_WAY
        return began + deadline.total_seconds()

    async def _goal(self, name: str, until: float) -> _Goal:
        index = await self._indexed(until, lambda index: name in index.goals)
        if name not in index.goals:
            known = ", ".join(index.goals) or "none"
            raise AnswerRefused(404, {"title": "There is no such thing", "detail": f"no goal {name!r}; known: {known}"})
        return index.goals[name]

    async def _indexed(self, until: float, holds: Callable[[_Index], bool]) -> _Index:
        """What the service says of itself; asked again where what is known does not hold what is looked for."""
        if self._index is None or not holds(self._index):
            self._index = msgspec.json.decode((await self._pool.send("GET", "/v1", until)).content, type=_Index)
        return self._index


def _now() -> float:
    return asyncio.get_running_loop().time()


def _title(endpoint_type: Asked[Any, Any]) -> str:
    """What the service calls it: `recommend`, and from version 2 on `recommend@2`."""
    return endpoint_type.name if endpoint_type.version == 1 else f"{endpoint_type.name}@{endpoint_type.version}"


def _named(index: _Index, asked: Asked[Any, Any]) -> list[_Known]:
    return [known for known in index.endpoints if (known.name, known.version) == (asked.name, asked.version)]


def _written(request: Any) -> bytes:
    """A request as JSON; a pydantic model writes itself."""
    by_itself = getattr(request, "model_dump_json", None)
    return msgspec.json.encode(request) if by_itself is None else by_itself(by_alias=True).encode()


def _read(kind: type[Response], body: bytes) -> Response:
    by_itself = getattr(kind, "model_validate_json", None)
    found: Response = msgspec.json.decode(body, type=kind) if by_itself is None else by_itself(body)
    return found


def _answer(endpoint_type: Asked[Request, Response], answer: httpx.Response) -> Answer[Response]:
    headers = answer.headers
    as_of = headers.get("millrace-as-of")
    try:
        return Answer(
            value=_read(endpoint_type.response, answer.content),
            decision=headers["millrace-decision"],
            implementation=headers["millrace-implementation"],
            variant=headers.get("millrace-variant"),
            as_of=None if as_of is None else datetime.fromisoformat(as_of),
            fallback=headers.get("millrace-fallback"),
        )
    except (msgspec.MsgspecError, KeyError, ValueError) as error:
        what = f"lacks the header {error}" if isinstance(error, KeyError) else f"is wrong: {error}"
        raise AnswerMalformed(
            f"What {answer.url} answered is no {endpoint_type.response.__name__}: it {what}. Is that a models service, "
            f"and {_title(endpoint_type)} declared here as it is there?"
        ) from error

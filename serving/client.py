"""What a live service asks with: one connection pool, typed requests in, typed answers out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from types import TracebackType
from typing import Any, Generic, Self, TypeVar

import httpx
import msgspec

from serving.endpoint_type import EndpointType
from serving.errors import AnswerRefused, ServiceUnreachable

Request = TypeVar("Request")
Response = TypeVar("Response")


@dataclass(frozen=True)
class Answer(Generic[Response]):
    """An answer and where it comes from.

    Attributes:
        decision: its id; an event that carries it can be its reward.
        implementation: name and content hash of the code that answered.
        variant: of the experiment that runs; None outside one.
        as_of: oldest event time behind it; None where that is not known.
        fallback: what answered in the implementation's place, if something did.
    """

    value: Response
    decision: str
    implementation: str
    variant: str | None = None
    as_of: datetime | None = None
    fallback: str | None = None


class Client:
    """Asks a models service; for one event loop. `async with Client("http://127.0.0.1:18080") as client: ...`.

    Args:
        address: of the service.
        timeout: seconds for a whole request.
        http: a client of your own in place of the pool; it is left open.
    """

    def __init__(self, address: str, timeout: float = 5.0, http: httpx.AsyncClient | None = None) -> None:
        self._address = address.rstrip("/")
        self._http = http or httpx.AsyncClient(timeout=timeout)
        self._mine = http is None
        self._goals: Mapping[str, Mapping[str, str]] | None = None

    async def ask(
        self, endpoint_type: EndpointType[Request, Response], request: Request, implementation: str | None = None
    ) -> Answer[Response]:
        """The answer to a request; of one implementation, outside experiments, where one is named.

        Raises:
            AnswerRefused: the service answered with a problem, which the error carries.
            ServiceUnreachable: it did not answer.
        """
        place = f"/v1/{endpoint_type.name}" + (f"/{implementation}" if implementation else "")
        answer = await self._sent("POST", place, msgspec.json.encode(request))
        headers = answer.headers
        as_of = headers.get("millrace-as-of")
        return Answer(
            value=msgspec.json.decode(answer.content, type=endpoint_type.response),
            decision=headers["millrace-decision"],
            implementation=headers["millrace-implementation"],
            variant=headers.get("millrace-variant"),
            as_of=None if as_of is None else datetime.fromisoformat(as_of),
            fallback=headers.get("millrace-fallback"),
        )

    async def reward(self, decision: str, goal: str, **fields: Any) -> None:
        """Send the event that rewards a decision, and wait until Kafka has it.

        Args:
            goal: the goal's name, which says the topic, and the field that carries the decision.
            fields: the event's other fields.

        Raises:
            AnswerRefused: there is no such goal, or the event does not fit its schema.
            ServiceUnreachable: the service did not answer; whether it has the event is not known.
        """
        if self._goals is None:
            self._goals = msgspec.json.decode((await self._sent("GET", "/v1")).content)["goals"]
        found = self._goals.get(goal)
        if found is None:
            known = ", ".join(self._goals) or "none"
            raise AnswerRefused(404, {"title": "There is no such thing", "detail": f"no goal {goal!r}; known: {known}"})
        event = {**fields, found["decision"]: decision}
        await self._sent("POST", f"/events/{found['topic']}", msgspec.json.encode(event))

    async def close(self) -> None:
        """Close the connections."""
        if self._mine:
            await self._http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def _sent(self, method: str, place: str, body: bytes | None = None) -> httpx.Response:
        address = self._address + place
        try:
            answer = await self._http.request(
                method, address, content=body, headers={"content-type": "application/json"}
            )
        except httpx.HTTPError as error:
            raise ServiceUnreachable(f"{address} did not answer: {type(error).__name__} {error}".strip()) from error
        if answer.is_success:
            return answer
        try:
            problem = answer.json()
        except ValueError:
            problem = {}
        raise AnswerRefused(answer.status_code, problem if isinstance(problem, dict) else {})

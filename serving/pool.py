"""Requests to one service over kept connections, and again where that is safe, until a deadline."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Mapping
from itertools import count

import httpx

from serving.api_key import authorization
from serving.errors import AnswerRefused, ServiceUnreachable

CONNECTIONS = 100
"""At most; so many are kept open."""
IDLE = 4.0
"""Seconds after which an unused connection is closed: a little before the service closes it."""
FIRST_PAUSE, LONGEST_PAUSE = 0.01, 0.25
"""Seconds between two tries at a service that refuses connections."""

_UNSENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)
_CUT = (httpx.ReadError, httpx.WriteError, httpx.RemoteProtocolError)
_JSON = {"content-type": "application/json"}


class Pool:
    """Sends to the service at `address`; for one event loop.

    A request is sent again if it was never taken, if the connection broke before the answer began, or after a 503 or
    429 that says when to come back; nothing else is.
    """

    def __init__(self, address: str, http: httpx.AsyncClient | None = None, key: str | None = None) -> None:
        self._address = address.rstrip("/")
        self._headers = {**_JSON, **authorization(key)}
        limits = httpx.Limits(max_connections=CONNECTIONS, max_keepalive_connections=CONNECTIONS, keepalive_expiry=IDLE)
        self._http = http or httpx.AsyncClient(timeout=None, limits=limits)  # noqa: S113  each request has its deadline
        self._mine = http is None

    async def send(
        self, method: str, place: str, until: float, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> httpx.Response:
        """The service's answer, if it is a success.

        Args:
            until: when to give up, by the event loop's clock.

        Raises:
            AnswerRefused: the service answered with a problem, which the error carries.
            ServiceUnreachable: it did not answer in time.
        """
        address, clock = self._address + place, asyncio.get_running_loop().time
        began, why = clock(), "no answer came"
        request = self._http.build_request(method, address, content=body, headers={**self._headers, **(headers or {})})
        try:
            async with asyncio.timeout_at(until):
                for tried in count():
                    answer = await self._once(request)
                    if isinstance(answer, httpx.Response) and answer.is_success:
                        return answer
                    why, pause = _again(answer, tried)
                    if pause is None or clock() + pause >= until:
                        break
                    await asyncio.sleep(pause)
        except TimeoutError:
            passed = f"within {(until - began) * 1000:,.0f} ms"
            raise ServiceUnreachable(f"{address} did not answer {passed}: {why}") from None
        if isinstance(answer, httpx.Response):
            raise _refusal(answer)
        raise ServiceUnreachable(f"{address} did not answer: {why}") from answer

    async def close(self) -> None:
        """Close the connections, unless the client was given."""
        if self._mine:
            await self._http.aclose()

    async def _once(self, request: httpx.Request) -> httpx.Response | httpx.HTTPError:
        """One try. An answer that breaks off is no reason to ask again, so that it is raised, not returned."""
        try:
            answer = await self._http.send(request, stream=True)
        except (*_UNSENT, *_CUT) as error:
            return error
        except httpx.HTTPError as error:
            raise ServiceUnreachable(f"{request.url} did not answer: {_said(error)}") from error
        try:
            await answer.aread()
        except httpx.HTTPError as error:
            raise ServiceUnreachable(f"{request.url} broke off its answer: {_said(error)}") from error
        return answer


def _again(answer: httpx.Response | httpx.HTTPError, tried: int) -> tuple[str, float | None]:
    """Why there is no success, and in how many seconds another try may have one; None = it must not be tried."""
    if isinstance(answer, httpx.HTTPError):
        if isinstance(answer, _CUT) and not tried:
            return _said(answer), 0.0  # a kept connection that the service had closed
        return _said(answer), min(FIRST_PAUSE * 2.0 ** min(tried, 10), LONGEST_PAUSE) * random.uniform(0.5, 1.0)
    after = answer.headers.get("retry-after", "") if answer.status_code in (429, 503) else ""
    return str(_refusal(answer)), float(after) if after.isdecimal() else None


def _said(error: httpx.HTTPError) -> str:
    return f"{type(error).__name__} {error}".strip()


def _refusal(answer: httpx.Response) -> AnswerRefused:
    try:
        problem = answer.json()
    except ValueError:
        problem = {}
    return AnswerRefused(answer.status_code, problem if isinstance(problem, dict) else {})

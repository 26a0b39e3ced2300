"""Endpoint types asked by a person who looks at them: by the way that every client's request goes, and their golden
requests."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from time import perf_counter

from serving.answering import Answering
from serving.checking import golden_problem
from serving.endpoint import Endpoint
from serving.endpoints import Endpoints
from serving.head import pairs


@dataclass(frozen=True, slots=True)
class Answer:
    """What a client would have got: its status, headers by their lower-case names, body, and after how many seconds."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    seconds: float


@dataclass(frozen=True, slots=True)
class GoldenResult:
    """One implementation asked the golden requests of its type: for each why it fails, None where it passes. `missing`
    says why it could not be asked at all."""

    implementation: str
    problems: tuple[str | None, ...] = ()
    missing: str | None = None

    @property
    def failed(self) -> int:
        """How many fail."""
        return sum(problem is not None for problem in self.problems)


class Trials:
    """Asks for the console. All methods are for the event loop's thread."""

    def __init__(self, endpoints: Endpoints, answering: Answering) -> None:
        self._endpoints, self._answering = endpoints, answering

    def find(self, endpoint: str) -> Endpoint | None:
        """What is served under this title; see `Endpoints.find`."""
        return self._endpoints.find(endpoint)

    @property
    def first(self) -> str:
        """The title that is shown where none is named; empty where nothing is served."""
        return next(iter(self._endpoints.current), "")

    async def ask(self, endpoint: str, implementation: str, body: bytes) -> Answer:
        """Send a body as a client does: with deadline, fallback and log, and without the network.

        Args:
            implementation: the one that is to answer, outside experiments; empty = the one that the unit gets.
        """
        asked = {"type": endpoint, **({"implementation": implementation} if implementation else {})}
        began = perf_counter()
        status, lines, answer = await self._answering.answer(asked, body)
        headers = {name.decode(): value.decode() for name, value in pairs(lines)}
        return Answer(status, headers, answer, perf_counter() - began)

    async def golden(self, endpoint: Endpoint) -> list[GoldenResult]:
        """Ask every implementation that is served the golden requests. Nothing is logged."""
        results = []
        for name, live in endpoint.lives.items():
            if live.ask is None:
                results.append(GoldenResult(name, missing=live.error))
                continue
            found = [
                await golden_problem(endpoint.type, live.implementation, live.ask, golden)
                for golden in endpoint.type.golden
            ]
            results.append(GoldenResult(name, tuple(found)))
        return results

"""A service as the Movies page sees it, with answers that a test decides: for what a healthy stack never shows."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route


@dataclass
class DemoService:
    """Speaks the three endpoint types and the intake. `learns` False: clicks are taken and never learned."""

    learns: bool = True
    away: bool = False
    fallback: str | None = None
    watched: dict[str, list[str]] = field(default_factory=dict)
    taken: list[dict[str, object]] = field(default_factory=list)
    slow: float = 0.0

    def routes(self) -> list[Route]:
        post = ["POST"]
        return [
            Route("/v1/recommend", self.recommend, methods=post),
            Route("/v1/recommend/{implementation}", self.recommend, methods=post),
            Route("/v1/titles", self.titles, methods=post),
            Route("/v1/viewers", self.viewers, methods=post),
            Route("/events/ratings", self.take, methods=post),
        ]

    async def recommend(self, request: Request) -> Response:
        if self.away:
            return JSONResponse({"title": "Unavailable", "detail": "No storage answers."}, status_code=503)
        user = (await request.json())["user"]
        seen = self.watched.get(user, [])
        implementation = request.path_params.get("implementation", "personal")
        ids = [str(number) for number in range(40) if str(number) not in seen]
        if implementation == "because_you_watched":
            ids = [str(int(seen[0]) + step) for step in range(1, 9)] if seen else []
        headers = {"millrace-decision": "d1.-.-", "millrace-implementation": f"{implementation} 4f1c9a2"}
        if self.fallback:
            headers["millrace-fallback"] = self.fallback
        items = [{"id": identity, "score": 1.0} for identity in ids[:8]]
        return JSONResponse({"items": items, "because": seen}, headers=headers)

    async def titles(self, request: Request) -> Response:
        wanted = (await request.json())["items"]
        films = [{"id": one, "title": f"<b>Film</b> {one}", "year": 1990, "genres": ["Drama"]} for one in wanted]
        return JSONResponse({"films": films})

    async def viewers(self, request: Request) -> Response:
        return JSONResponse({"viewers": [{"id": "196", "ratings": 39, "genres": ["Comedy", "Drama"]}]})

    async def take(self, request: Request) -> Response:
        event = await request.json()
        self.taken.append(event)
        await asyncio.sleep(self.slow)
        if self.learns:
            self.watched.setdefault(event["user"], []).insert(0, event["item"])
        return JSONResponse({"positions": [{"topic": "ratings", "partition": 3, "offset": 41}]}, status_code=202)

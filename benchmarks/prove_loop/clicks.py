"""Clicks posted over HTTP while a replay runs: how long until the first answer that knew of each."""

from __future__ import annotations

import time
from datetime import UTC, datetime

import httpx

from benchmarks.prove_loop.emitter import Journal

PATIENCE = 10.0


class Clicker:
    """A live service of one: it shows an answer, a viewer clicks, and it asks until the answer knows.

    An answer knows of a click when its `because` names the film: the implementation read the viewer's history with
    the click in it.
    """

    def __init__(self, address: str, journal: Journal) -> None:
        self._client = httpx.Client(base_url=address, timeout=10.0)
        self._journal = journal
        self.waits_ms: list[float] = []

    def ask(self, user: str, implementation: str = "") -> tuple[dict[str, list[object]], str]:
        """One answer and its decision id."""
        place = f"/v1/recommend/{implementation}" if implementation else "/v1/recommend"
        response = self._client.post(place, json={"user": user, "size": 10})
        response.raise_for_status()
        return response.json(), response.headers["millrace-decision"]

    def click(self, number: int) -> float:
        """Click the first film shown to a new viewer; milliseconds until an answer knew of it."""
        user = f"clicker-{number}"
        answer, decision = self.ask(user)
        item = str(answer["items"][number % len(answer["items"])]["id"])  # type: ignore[index]
        event = {"user": user, "item": item, "stars": 5, "decision": decision}
        at = datetime.now(UTC)
        event["at"] = at.replace(microsecond=at.microsecond // 1000 * 1000).isoformat()
        self._journal.write("ratings", event)
        start = time.perf_counter()
        self._client.post("/events/ratings", json=event).raise_for_status()
        while item not in self.ask(user, "personal")[0]["because"]:
            if time.perf_counter() - start > PATIENCE:
                raise TimeoutError(f"No answer knew of click {number} within {PATIENCE:.0f} s.")
            time.sleep(0.002)
        self.waits_ms.append((time.perf_counter() - start) * 1000)
        return self.waits_ms[-1]

    def close(self) -> None:
        """Close the connection."""
        self._client.close()

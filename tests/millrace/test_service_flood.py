"""A real service that is asked much more than it can answer: what it takes is in time, the rest is refused at once."""

from __future__ import annotations

from pathlib import Path
from statistics import median

from benchmarks.prove_models.clients import Clients
from tests.millrace.served import TYPES, served

ENDPOINTS = (
    TYPES
    + """
import time
from datetime import timedelta

ask = mr.EndpointType("ask", Ask, Answer, unit="user", deadline=timedelta(seconds=4))

@ask.implementation
def slow(request: Ask) -> Answer:
    time.sleep(0.5)
    return Answer(["slow"])
"""
)


def test_of_a_flood_as_much_is_taken_as_can_be_answered_in_time_and_the_rest_refused_at_once(tmp_path: Path) -> None:
    """Eight threads answer 16 requests a second, while 40 clients never rest."""
    with served(tmp_path, ENDPOINTS) as service:
        with Clients(f"{service.url}/v1/ask", lambda number: {"user": f"u{number}"}, clients=40) as clients:
            clients.until("slow", 20)
        metrics = service.get("/metrics").text
        after = service.ask()
    answered, refused, late = (clients.waits[status] for status in (200, 503, 504))
    assert set(clients.waits) <= {200, 503, 504}
    assert refused
    assert '"type":"urn:millrace:problem:overloaded"' in clients.problems[503]
    assert f'millrace_shed_total{{endpoint="ask"}} {len(refused)}' in metrics
    assert len(late) <= len(answered) / 10
    assert median(refused) < median(answered) < 4.0
    assert after.status_code == 200

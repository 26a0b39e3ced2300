"""The course of the proof. Progress goes to stderr; the last line on stdout is one JSON object of measured figures."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx

from benchmarks.prove_loop.clicks import Clicker
from benchmarks.prove_loop.emitter import Emitter, Journal
from benchmarks.prove_loop.kills import kill_once
from benchmarks.prove_loop.rows import compare
from benchmarks.prove_loop.stage import Stage, stage
from benchmarks.report import say
from benchmarks.save_to_live import save_to_live

RATE = 2000
CLICKS = 240
KILLS = 24
MOST_KILLS = 60


def main() -> None:
    """Run every part of the proof and print its figures; the exit code is 1 if they prove nothing."""
    sys.setswitchinterval(0.0005)  # the emitter runs in this process too, and must not hold up the clock of the clicks
    with tempfile.TemporaryDirectory(prefix="millrace-proof-") as place, stage(Path(place)) as running:
        journal = Journal(Path(place) / "sent.ndjson")
        clicker = Clicker(running.settings.service_url, journal)
        with closing(journal), closing(clicker):
            rate = _unthrottled(running, journal)
            kills = _throttled(running, journal, clicker)
            _level(running)
            save = _save_to_live(running)
            logged, answers = _decisions(running)
        difference = compare(running, journal.path)
        say(f"{difference.rows:,} rows compared with the control")
        figures = {
            "events": journal.events,
            "events_per_second": round(rate),
            "click_to_answer_ms": _quantiles(clicker.waits_ms),
            "kills": kills,
            "lost": difference.lost,
            "duplicated": difference.duplicated,
            "hit_rate_at_10": None,
            "save_to_live_s": round(save, 2),
            "decisions_logged": logged,
            "answers": answers,
        }
    figures["hit_rate_at_10"] = _hit_rates()
    sys.stdout.write(json.dumps(figures) + "\n")
    if difference.lost or difference.duplicated or kills < KILLS or logged != answers:
        sys.exit("The proof has failed: see the figures above.")


def _unthrottled(running: Stage, journal: Journal) -> float:
    """The whole data set as fast as it goes; events per second from the first emitted to the last learned."""
    dataset: Any = running.product.module("dataset")
    start = time.monotonic()
    sent = _emitted(running, journal, dataset.events(), None).finish()
    _level(running)
    rate = sent / (time.monotonic() - start)
    say(f"replayed {sent:,} events unthrottled: {rate:,.0f} events/s, learned and committed")
    return rate


def _throttled(running: Stage, journal: Journal, clicker: Clicker) -> int:
    """A replay at 2,000 events/s: first clicks are timed, then the worker is killed until enough kills count."""
    dataset: Any = running.product.module("dataset")
    again = (event for number in range(8) for event in dataset.ratings(prefix=f"again{number}-"))
    emitter = _emitted(running, journal, again, RATE)
    for number in range(CLICKS):
        clicker.click(number)
    say(f"{CLICKS} clicks at {RATE} events/s: {_quantiles(clicker.waits_ms)} ms to the first answer that knew")
    counted = tried = 0
    while counted < KILLS and tried < MOST_KILLS:
        counted += kill_once(running)
        tried += 1
    sent = emitter.finish(now=True)
    say(f"killed the worker {tried} times, {counted} with messages in hand; replayed {sent:,} events at {RATE}/s")
    return counted


def _emitted(running: Stage, journal: Journal, events: Any, rate: float | None) -> Emitter:
    emitter = Emitter(events, running.platform.producer, journal, rate)
    emitter.start()
    return emitter


def _level(running: Stage) -> None:
    lag = running.meter.wait_until_level(180.0)
    if lag.events:
        raise TimeoutError(f"The learners are still {lag.events:,} events behind after three minutes.")


def _save_to_live(running: Stage) -> float:
    file = running.product.folder / "endpoints.py"
    address = f"{running.settings.service_url}/v1/recommend/saved_just_now"
    taken = save_to_live(file, _NEW_IMPLEMENTATION, address, {"user": "new viewer"})
    say(f"saved to live in {taken:.2f} s")
    return taken


_NEW_IMPLEMENTATION = '''

@recommend.implementation
async def saved_just_now(request: Recommend, popular: mr.RankingReader) -> Recommendations:
    """The most popular films; saved by the proof."""
    top = await popular.top("all", request.size)
    return Recommendations([Item(id=member, score=score) for member, score in top], because=[])
'''


def _decisions(running: Stage) -> tuple[int, int]:
    """Decisions in Kafka, once they stopped growing, and answers as the service counted them."""
    answers = int(httpx.get(f"{running.settings.service_url}/v1/decisions").raise_for_status().json()["answers"])
    until = time.monotonic() + 10
    logged = -1
    while time.monotonic() < until and logged != answers:
        logged = sum(high - low for low, high in running.platform.topics.ends(["decisions"]).values())
        time.sleep(0.05)
    return logged, answers


def _hit_rates() -> dict[str, float | int]:
    """The progressive evaluation, by the command that a user types."""
    say("backtest: 100,000 ratings, every prediction through the endpoint code that serves")
    command = [sys.executable, "-m", "millrace", "backtest", "examples/movies", "--from", "dataset", "--output", "json"]
    result = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    found = json.loads(result.stdout)
    rates = found["hit_rate_at_10"]
    return {
        "popular": rates["popular_now"],
        "co_watched": rates["because_you_watched"],
        "personal": rates["personal"],
        "predictions": found["predictions"],
    }


def _quantiles(values: list[float]) -> dict[str, float]:
    cuts = statistics.quantiles(values, n=100, method="inclusive")
    return {"p50": round(cuts[49], 1), "p99": round(cuts[98], 1)}


if __name__ == "__main__":
    main()

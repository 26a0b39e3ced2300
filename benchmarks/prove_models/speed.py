"""CPU per request and requests per second, of all rivals in turns, while commits go on.

A request names three films, and its answer is made of three rows of a ranking in Redis. What a server costs is the CPU
time of its process; how fast it is, is said as the ratio to a constant answer that was measured just before. Other
products are asked afterwards, each in turns with the service, for what both answer.
"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from benchmarks.local_stack import local_stack
from benchmarks.prove_models import live, rows
from benchmarks.prove_models.course import ROUNDS, Course, in_turns
from benchmarks.prove_models.peers import against_bentoml, against_feast
from benchmarks.prove_models.stage import Server, keyed, rival, service, writing
from benchmarks.prove_models.stale import stale
from benchmarks.report import say

NEAR = 64
"""MB of the near cache, where there is one."""


def measure(folder: Path) -> dict[str, float | None]:
    """The keys of speed."""
    with ExitStack() as started:
        settings = started.enter_context(local_stack(folder))
        url = settings.redis_url
        rows.fill(url)
        asking, key = keyed(folder, settings)
        uncached, cached = replace(asking, near_cache_mb=0), replace(asking, near_cache_mb=NEAR)
        servers = {
            "constant": started.enter_context(rival(folder, "constant", url)),
            "redis-asyncio": started.enter_context(rival(folder, "redis-asyncio", url)),
            "redis-asyncio, hastened": started.enter_context(rival(folder, "redis-asyncio, hastened", url)),
            "bare": started.enter_context(rival(folder, "bare", url)),
            "bare, cached": started.enter_context(rival(folder, "bare", url, NEAR << 20)),
            "full": started.enter_context(service(folder, uncached, "full", key=key)),
            "full, cached": started.enter_context(service(folder, cached, "cached", key=key)),
        }
        with writing(folder, url):
            found = _measured(servers)
            _tell_waits(servers, found["full"].rate / 2)
        old, saved = stale(servers["full, cached"], url), live.saved(servers["full"])
        peers = against_feast(folder / "feast", url, servers["full"])
        peers |= against_bentoml(folder / "bentoml", url, servers["full"])
    constant = found["constant"]
    return {
        "bare_uncached_vs_constant": round(found["bare"].against(constant), 3),
        "bare_uncached_cpu_us": round(found["bare"].cpu_us, 1),
        "bare_cached_vs_constant": round(found["bare, cached"].against(constant), 3),
        "bare_cached_cpu_us": round(found["bare, cached"].cpu_us, 1),
        "full_uncached_cpu_us": round(found["full"].cpu_us, 1),
        "full_cached_cpu_us": round(found["full, cached"].cpu_us, 1),
        "vs_redis_asyncio": round(found["full"].against(found["redis-asyncio"]), 2),
        **peers,
        "stale": old,
        "save_to_live_s": round(saved, 2),
        "p99_vs_constant": round(found["full"].waits_against(constant), 2),
        "p99_cached_vs_constant": round(found["full, cached"].waits_against(constant), 2),
    }


def _measured(servers: dict[str, Server]) -> dict[str, Course]:
    courses = {name: Course(server) for name, server in servers.items()}
    in_turns(courses.values())
    for name, course in courses.items():
        requests, waits = course.against(courses["constant"]), course.waits_against(courses["constant"])
        say(f"{name}: {course.said()}, {requests:.2f} of the constant answer's requests, {waits:.2f} of its p99")
    for name in ("redis-asyncio", "redis-asyncio, hastened"):
        say(f"full: {courses['full'].against(courses[name]):.2f} times the requests of {name}")
    return courses


def _tell_waits(servers: dict[str, Server], rate: float) -> None:
    """Say the waits at one rate for all; as fast as they can, whoever answers fewer also lets everyone wait longer."""
    courses = {name: Course(servers[name]) for name in ("constant", "full", "full, cached")}
    in_turns(courses.values(), ROUNDS // 2, rate)
    for name, course in courses.items():
        waits = course.waits_against(courses["constant"])
        say(f"{name}, asked {rate:,.0f} times a second: {course.said()}, {waits:.2f} of the constant answer's p99")

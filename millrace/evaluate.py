"""`millrace evaluate`: reads logged decisions and rewards, asks the implementation their requests, and reports."""

from __future__ import annotations

import asyncio
import json
import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl

from learners import Goal, rewards_of
from millrace.commands.output import Output, say, write_json, write_rows
from millrace.evaluation import Answers, Evaluation, Taken, evaluate
from millrace.platform import Platform
from millrace.product import Product, ProductError
from millrace.settings import Settings
from schemas import Decision
from schemas.errors import MillraceError
from serving import EndpointType
from serving.implementation import Ask
from serving.statistics.off_policy import Estimate
from storage.formats.span import in_words
from streams import read_topic

AT_ONCE = 32
"""Requests that are asked at a time."""


class NothingLogged(MillraceError):
    """There is no decision that an implementation can be evaluated by; the message says what to do."""


@dataclass(frozen=True)
class Wanted:
    """What is to be evaluated.

    Attributes:
        part: where in an answer the decision lies, such as `items.0.id`; empty = all of it.
        span: how far back decisions count.
        limit: so many of the newest decisions count at most.
    """

    endpoint: str
    implementation: str
    goal: str | None
    part: str
    span: timedelta
    limit: int


def run_evaluation(folder: Path, settings: Settings, wanted: Wanted, output: Output) -> bool:
    """Print what the implementation would have earned; return whether the log supports that. Blocks.

    Raises:
        ProductError: the product does not have what is wanted.
        NothingLogged: no decision of this endpoint type was made in an experiment in that time.
        StreamError, RegistryUnavailable: the log cannot be read.
    """
    product = Product.load(folder)
    endpoint, goal = _endpoint(product, wanted), _goal(product, wanted)
    with closing(Platform(settings)) as platform:
        log = _log(platform, product, goal, wanted)
        names = dict.fromkeys([wanted.implementation, *(taken.variant for taken in log)])
        answers = asyncio.run(_ask(platform, product, endpoint, list(names), log, wanted.part))
    found = evaluate(log, wanted.implementation, answers)
    _report(found, wanted, goal, output)
    return not found.support.problems


def part_of(answer: bytes | str, path: str) -> str:
    """The part of an answer's JSON that `items.0.id` names, as JSON; the same text for the same value. `null` where the
    answer has no such part."""
    value = json.loads(answer)
    for step in path.split(".") if path else ():
        if isinstance(value, list) and step.isdigit() and int(step) < len(value):
            value = value[int(step)]
        else:
            value = value.get(step) if isinstance(value, dict) else None
    return json.dumps(value, sort_keys=True, separators=(",", ":"))


def taken_of(decisions: pl.DataFrame, rewards: Counter[str], wanted: Wanted, before: datetime) -> list[Taken]:
    """The decisions of an endpoint type's experiments, oldest first and each once, with their rewards; none later than
    `before`, as the windows of those are still open."""
    closed = pl.col("at").is_between(before - wanted.span, before)
    chosen = _of_experiments(decisions, wanted).filter(closed).sort("at")
    chosen = chosen.unique("id", keep="first", maintain_order=True)  # a service that was killed may log some twice
    hour = pl.col("at").dt.epoch("s") // 3600
    columns = ("experiment", "variant", "propensity", "unit", "request", "answer", "id", hour.alias("hour"))
    return [
        Taken(experiment, variant, share, unit, request, part_of(answer, wanted.part), float(rewards[decision]), hour)
        for experiment, variant, share, unit, request, answer, decision, hour in chosen.select(columns)
        .tail(wanted.limit)
        .iter_rows()
    ]


def _of_experiments(decisions: pl.DataFrame, wanted: Wanted) -> pl.DataFrame:
    return decisions.filter(
        pl.col("endpoint") == wanted.endpoint,
        pl.col("experiment").is_not_null(),
        pl.col("variant").is_not_null(),
        pl.col("propensity") > 0,
    )


def _endpoint(product: Product, wanted: Wanted) -> EndpointType[Any, Any]:
    found = product.endpoint(wanted.endpoint)
    if wanted.implementation not in found.implementations:
        known = ", ".join(found.implementations) or "none"
        raise ProductError(f"{wanted.endpoint} has no implementation {wanted.implementation!r}; it has {known}.")
    return found


def _goal(product: Product, wanted: Wanted) -> Goal:
    asked = wanted.goal or next(
        (item.goal for item in product.experiments if item.endpoint == wanted.endpoint),
        product.goals[0].name if len(product.goals) == 1 else "",
    )
    found = next((item for item in product.goals if item.name == asked), None)
    if found is None:
        known = ", ".join(item.name for item in product.goals) or "none; declare one under [goals.<name>]"
        raise ProductError(f"Say by which goal: --goal NAME. {product.folder} has {known}.")
    return found


def _log(platform: Platform, product: Product, goal: Goal, wanted: Wanted) -> list[Taken]:
    now = datetime.now(UTC)
    before = now - goal.window
    since, rewarding = before - wanted.span, product.event_types[goal.topic]
    rewards = Counter[str]()
    for frame in read_topic(platform.kafka, platform.codec, rewarding, since):
        found = rewards_of(goal, rewarding, frame)
        rewards = rewards | found if goal.first else rewards + found
    frames = list(read_topic(platform.kafka, platform.codec, Decision.event_type, since))
    log = taken_of(pl.concat(frames), rewards, wanted, before) if frames else []
    if not log:
        young = _of_experiments(pl.concat(frames), wanted)["at"].sort().to_list() if frames else []
        raise NothingLogged(_too_young(young, wanted, goal) if young else _none(wanted, before))
    return log


def _too_young(made: Sequence[datetime], wanted: Wanted, goal: Goal) -> str:
    """Of decisions whose windows are all open, the oldest first."""
    window = in_words(round(goal.window.total_seconds() * 1000))
    return (
        f"Every decision of {wanted.endpoint} in an experiment ({len(made):,}) is younger than the window of the goal "
        f"{goal.name}, {window}: it may still be rewarded, and counts once that has passed. The first one's window "
        f"ends on {made[0] + goal.window:%d %b at %H:%M:%S} UTC; ask again after that."
    )


def _none(wanted: Wanted, before: datetime) -> str:
    return (
        f"No decision of {wanted.endpoint} was made in an experiment in the {wanted.span.days} days before "
        f"{before:%d %b %H:%M} UTC. Outside an experiment everybody gets the "
        "same implementation, which tells nothing about another: start one, or look further back with --days."
    )


async def _ask(
    platform: Platform,
    product: Product,
    endpoint: EndpointType[Any, Any],
    names: Sequence[str],
    log: Sequence[Taken],
    part: str,
) -> Answers:
    """What each implementation that the product has answers to each request of the log."""
    requests = list(dict.fromkeys(taken.request for taken in log))
    found: dict[str, Mapping[str, str | None]] = {}
    async with platform.catalogue(product) as catalogue:
        await catalogue.refresh()
        for name in names:
            implementation = endpoint.implementations.get(name)
            if implementation is not None:
                found[name] = await _answers(endpoint, implementation.bind(catalogue), requests, part)
    return found


async def _answers(
    endpoint: EndpointType[Any, Any], ask: Ask[Any, Any], requests: Sequence[str], part: str
) -> Mapping[str, str | None]:
    """What one implementation answers to each request."""
    found: dict[str, str | None] = {}
    for start in range(0, len(requests), AT_ONCE):
        some = requests[start : start + AT_ONCE]
        answers = await asyncio.gather(*(_answer(endpoint, ask, request, part) for request in some))
        found.update(zip(some, answers, strict=True))
    return found


async def _answer(endpoint: EndpointType[Any, Any], ask: Ask[Any, Any], request: str, part: str) -> str | None:
    try:
        asked = ask(endpoint.requests.decode(request.encode()))
        answer = await asyncio.wait_for(asked, endpoint.deadline.total_seconds() * 4)
        return part_of(endpoint.responses.encode(answer), part)
    except Exception:
        return None  # counted, and said


def _report(found: Evaluation, wanted: Wanted, goal: Goal, output: Output) -> None:
    supported = not found.support.problems
    rows = [_row(variant, "logged", one) for variant, one in found.logged.items()]
    rows += [_row(wanted.implementation, by, one, supported) for by, one in found.estimates.items()]
    notes = list(_notes(found, wanted))
    if output is Output.JSON:
        support = {**asdict(found.support), "supported": supported}
        extent = {"goal": goal.name, "reproduced": found.reproduced, "failed": found.failed}
        write_json({**extent, "estimates": rows, "support": support, "notes": notes})
        return
    write_rows(rows, output, "")
    for note in notes:
        say(note)


def _row(who: str, by: str, one: Estimate, supported: bool = True) -> dict[str, Any]:
    """One line; without figures where they are not to be believed."""
    value, low, high = (
        bound if supported and math.isfinite(bound) else None for bound in (one.value, one.low, one.high)
    )
    return {"who": who, "by": by, "rewards_per_decision": value, "low": low, "high": high}


def _notes(found: Evaluation, wanted: Wanted) -> Iterable[str]:
    support = found.support
    yield (
        f"{support.decisions:,} decisions of {support.units:,} units; they say as much of {wanted.implementation} as "
        f"{support.effective:,.0f} units in which it answered."
    )
    if found.failed:
        yield f"{wanted.implementation} did not answer {found.failed:,} of them; these count as other answers."
    if found.reproduced < 0.9:
        yield (
            f"Only {found.reproduced:.0%} of the logged answers are given again by the same variants today: storages "
            "have moved on, and what is estimated is an implementation that reads today's."
        )
    if support.problems:
        yield "The log cannot tell what it would earn:"
        yield from support.problems

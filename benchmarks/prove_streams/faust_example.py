"""Clicks through examples/sessions: Faust cuts them into sessions, is killed on the way, and a learner counts those.

Every click is followed by so late a one of the same user that its session ends. What the learner has counted at the end
is compared, user by user, with a fold over the clicks alone.
"""

from __future__ import annotations

import subprocess
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, closing
from datetime import timedelta
from functools import partial
from itertools import count, islice
from pathlib import Path

from benchmarks.process import PYTHON, millrace_process, process
from benchmarks.prove_storage.member import until
from benchmarks.prove_streams.extent import Extent
from benchmarks.prove_streams.stage import broker, own_redis, rows
from benchmarks.report import say
from examples.sessions import dataset
from examples.sessions.events import Click
from millrace.platform import Platform
from millrace.settings import Settings
from millrace.stack.plan import variables

EXAMPLE = Path("examples/sessions")
GAP = timedelta(minutes=30)
PATIENCE = 240.0
AGAIN = 0.5
"""Seconds between two looks at the rows."""
Visits = dict[str, dict[str, int]]
"""By user how many sessions and how many clicks in them."""


def measure(folder: Path, extent: Extent) -> dict[str, float | None]:
    """So many clicks were counted for users of whom all is counted right."""
    sent = list(islice(clicks(), extent.faust_events))
    ends = [Click(user, "end", sent[-1].at + timedelta(hours=1)) for user in {click.user for click in sent}]
    wanted = visits(sent)
    with broker(folder / "stack") as settings, own_redis(folder / "sessions", settings) as own:
        with closing(Platform(own)) as platform:
            platform.prepare_topic(Click.event_type)
            for click in (*sent, *ends):
                platform.producer.emit(click)
            platform.producer.flush()
        counted = partial(_counted, own)
        begun = time.monotonic()
        with millrace_process(folder, own, "learn", str(EXAMPLE)):
            with _worker(folder / "first", own) as faust:
                until(lambda: _clicks(counted()) > len(sent) / 10, PATIENCE, "The first sessions")
                faust.kill()
                faust.wait()
            half = _clicks(counted())
            with _worker(folder / "second", own):
                until(lambda: _clicks(counted()) >= len(sent), PATIENCE, "The last session")
                time.sleep(2.0)  # what comes twice would be counted too
        found = counted()
    right = _clicks({user: found.get(user, {}) for user in wanted if found.get(user) == wanted[user]})
    say(
        f"Faust, killed after {half:,} clicks: {right:,} of {len(sent):,} clicks of {len(wanted):,} users were counted "
        f"right in their sessions ({time.monotonic() - begun:.0f} s)"
    )
    return {"faust_events": float(right)}


def clicks() -> Iterator[Click]:
    """Those of the example's data set, again and again with other users."""
    for number in count():
        for click in dataset.events():
            yield Click(f"{click.user}-{number}", click.page, click.at)


def visits(sent: Iterable[Click]) -> Visits:
    """What the sessions must be, each of them at its end."""
    last: dict[str, Click] = {}
    found: Visits = defaultdict(lambda: {"sessions": 0, "clicks": 0})
    for click in sent:
        before = last.get(click.user)
        found[click.user]["sessions"] += before is None or click.at - before.at > GAP
        found[click.user]["clicks"] += 1
        last[click.user] = click
    return dict(found)


def _counted(settings: Settings) -> Visits:
    """What the learner has; nothing before it has declared its storage."""
    time.sleep(AGAIN)
    found: Visits = defaultdict(dict)
    try:
        for user, field, value in rows(EXAMPLE, settings, "visits").iter_rows():
            found[user][field] = value
    except ValueError:
        pass
    return found


def _clicks(found: Mapping[str, Mapping[str, int]]) -> int:
    return sum(user.get("clicks", 0) for user in found.values())


def _worker(folder: Path, settings: Settings) -> AbstractContextManager[subprocess.Popen[bytes]]:
    environment = {**variables(settings), "MEMBER": "one"}
    return process(folder / "faust.log", [*PYTHON, "examples.sessions"], environment)

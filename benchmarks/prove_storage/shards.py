"""What it costs to spread a learner over a cluster: one Redis, one slot of a cluster, and several, in one run.

Each gets the same commits as `fenced.py` makes, in turn, so that whatever else the machine does hits all alike. With
all servers on one machine the shards bring nothing in return: that their work is spread over several is not seen here.
"""

from __future__ import annotations

import argparse
import tempfile
from collections import Counter, defaultdict
from collections.abc import Sequence
from contextlib import ExitStack, closing
from pathlib import Path

from benchmarks.ports import free_port
from benchmarks.prove_storage.fenced import ROWS, Writer, commits, seconds
from benchmarks.prove_storage.redis_cluster import Cluster, free_ports
from benchmarks.prove_storage.targets import Running
from millrace.stack.redis import RedisServer
from storage.technologies import opened

APPENDING = ("--appendonly", "yes", "--appendfsync", "everysec")
"""As the one Redis does."""


def measure(rounds: int, counts: Sequence[int], folder: Path) -> dict[str, Counter[str]]:
    """Seconds by side and kind of commit. Blocks."""
    spent: dict[str, Counter[str]] = defaultdict(Counter)
    with ExitStack() as started:
        alone = started.enter_context(closing(Running(RedisServer(folder / "alone", free_port()), folder / "log")))
        cluster = started.enter_context(closing(Cluster(folder / "cluster", free_ports(3), APPENDING)))
        urls = {"one Redis": alone.url, **{f"{n} slots": f"{cluster.url}?shards={n}" for n in counts}}
        sides = {
            name: Writer(started.enter_context(closing(opened("redis", url))), f"bench{number}")
            for number, (name, url) in enumerate(urls.items())
        }
        for number, (kind, writes) in enumerate(commits(rounds)):
            first = number // 3 % len(sides)
            for name in [*sides, *sides][first : first + len(sides)]:
                spent[name][kind] += seconds(lambda name=name, writes=writes: sides[name].write(writes))  # type: ignore[misc]
    return spent


def main() -> None:
    """Print rows per second, and how they compare with one Redis."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=60, help="commits of each kind")
    parser.add_argument("--shards", default="1,8", help="numbers of shards, with commas between")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        spent = measure(given.rounds, [int(number) for number in given.shards.split(",")], Path(folder))
    alone = spent["one Redis"]
    for name, found in spent.items():
        rows = {kind: f"{kind} {ROWS * given.rounds / took:,.0f}/s" for kind, took in found.items()}
        print(f"{name}: {', '.join(rows.values())}; {alone.total() / found.total():.2f}x")


if __name__ == "__main__":
    main()

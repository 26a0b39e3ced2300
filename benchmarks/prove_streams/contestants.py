"""Who counts the same events: our worker, what it is measured by, and other products, each a process of its own.

Each begins in an empty folder with empty state, at the beginning of the log.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path

from benchmarks.process import PYTHON, process
from benchmarks.prove_models.installation import run
from benchmarks.prove_streams.plays import TOPIC
from benchmarks.prove_streams.progress import Counting
from benchmarks.prove_streams.stage import learning, own_redis
from millrace.settings import Settings

Contestant = Callable[[Path, Settings], AbstractContextManager[Counting]]
"""Starts in a folder that is not there yet, and ends on the way out."""
PACKAGES = {
    "bytewax": ("bytewax==0.21.1", "confluent-kafka==2.16.1", "fastavro==1.13.1"),
    "quix": ("quixstreams==3.28.1", "fastavro==1.13.1"),
    "faust": ("faust-streaming[rocksdict]==0.15.3", "fastavro==1.13.1"),
}
"""What is installed for each peer, into an environment of its own."""
_HERE = "benchmarks.prove_streams"
_SNAPSHOTS = ("--snapshot-interval", "10", "--backup-interval", "0")
"""Bytewax keeps its state as often as it does by default; its recovery wants to be told."""


@contextmanager
def ceiling(folder: Path, settings: Settings) -> Iterator[Counting]:
    """Consume and decode, and nothing else."""
    log = folder / "ceiling.log"
    with process(log, [*PYTHON, f"{_HERE}.ceiling", settings.kafka, settings.registry_url]) as started:
        yield Counting(started, log)


@contextmanager
def ours(fold: str, folder: Path, settings: Settings) -> Iterator[Counting]:
    """`millrace learn` with one worker."""
    with own_redis(folder, settings) as own, learning(folder, own, fold) as counting:
        yield counting


@contextmanager
def fence(kind: str, folder: Path, settings: Settings) -> Iterator[Counting]:
    """The worker alone, "fenced" or "unfenced"."""
    trace = folder / "trace.jsonl"
    with own_redis(folder, settings) as own:
        arguments = (own.kafka, own.registry_url, own.redis_url, str(trace), kind)
        with process(folder / "worker.log", [*PYTHON, f"{_HERE}.worker", *arguments]) as started:
            yield Counting(started, trace)


@contextmanager
def loop(folder: Path, settings: Settings) -> Iterator[Counting]:
    """The hand-written loop."""
    with own_redis(folder, settings) as own:
        with _counting(folder, own, [*PYTHON, f"{_HERE}.peers.loop"]) as counting:
            yield counting


@contextmanager
def bare(folder: Path, settings: Settings) -> Iterator[Counting]:
    """The model in a loop over events that are decoded."""
    log = folder / "bare.log"
    with process(log, [*PYTHON, f"{_HERE}.peers.bare", settings.registry_url]) as started:
        yield Counting(started, log)


@contextmanager
def bytewax(programs: Path, folder: Path, settings: Settings) -> Iterator[Counting]:
    """With one worker, and its recovery on."""
    python, recovery = str(programs / "python"), folder / "recovery"
    recovery.mkdir(parents=True)
    run(folder, python, "-m", "bytewax.recovery", str(recovery), "1")
    command = [python, "-m", "bytewax.run", f"{_HERE}.peers.bytewax_flow:flow", "-r", str(recovery), *_SNAPSHOTS]
    with _counting(folder, settings, command) as counting:
        yield counting


@contextmanager
def quix(programs: Path, folder: Path, settings: Settings) -> Iterator[Counting]:
    """With RocksDB and a changelog."""
    with _counting(folder, settings, [str(programs / "python"), "-m", f"{_HERE}.peers.quix_app"]) as counting:
        yield counting


@contextmanager
def faust(programs: Path, folder: Path, settings: Settings) -> Iterator[Counting]:
    """With RocksDB and a changelog."""
    command = [str(programs / "python"), "-m", f"{_HERE}.peers.faust_app", "worker", "--without-web", "-l", "warn"]
    with _counting(folder, settings, command) as counting:
        yield counting


PEERS = {"bytewax": bytewax, "quix": quix, "faust": faust}


def peers(programs: dict[str, Path]) -> dict[str, Contestant]:
    """Other products, by name.

    Args:
        programs: of each one's environment.
    """
    return {name: partial(PEERS[name], where) for name, where in programs.items()}


@contextmanager
def _counting(folder: Path, settings: Settings, command: Sequence[str]) -> Iterator[Counting]:
    """A program of `peers/`, which finds what it needs in its environment."""
    log, environment = (
        folder / "count.log",
        {
            "PROOF_KAFKA": settings.kafka,
            "PROOF_REGISTRY": settings.registry_url,
            "PROOF_REDIS": settings.redis_url,
            "PROOF_TOPIC": TOPIC,
            "PROOF_GROUP": folder.name,
            "PROOF_STATE": str(folder / "state"),
        },
    )
    with process(log, command, environment) as started:
        yield Counting(started, log)

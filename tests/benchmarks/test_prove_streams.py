"""What `make prove-streams` and `make bench` make of what processes write: rates, ratios, the figures, the report."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from benchmarks.prove_models.installation import Missing
from benchmarks.prove_streams import __main__ as proof
from benchmarks.prove_streams import costs, memory
from benchmarks.prove_streams.bench import Measured, report
from benchmarks.prove_streams.chain.events import Click
from benchmarks.prove_streams.chained import difference, wanted
from benchmarks.prove_streams.costs import STEPS, Costs
from benchmarks.prove_streams.extent import QUICK, Extent
from benchmarks.prove_streams.faust_example import visits
from benchmarks.prove_streams.plays import START
from benchmarks.prove_streams.progress import Counting, Mark, Standstill, marks, rate
from benchmarks.prove_streams.rates import ratios
from benchmarks.prove_streams.recovery import Owners
from benchmarks.prove_streams.turns import Course
from examples.sessions.events import Click as Opened
from millrace.settings import Settings
from storage.kinds import KINDS

GOOD: Mapping[str, float | None] = {**dict.fromkeys(proof.KEYS, 0.0), **proof.MOST, **proof.LEAST}


def written(file: Path, *lines: object) -> Path:
    """A file of JSON lines, the last of them cut off."""
    file.write_text("\n".join(map(json.dumps, lines)) + '\n{"at": 9, "eve', "utf-8")
    return file


def committed(at: float, partition: int, position: int, process: int = 1) -> dict[str, object]:
    """A line of a worker's trace."""
    return {"committed": ["plays", partition, position], "learner": "plays_of_user", "process": process, "at": at}


def test_how_far_a_process_is_comes_from_its_own_lines_or_from_what_a_worker_has_committed(tmp_path: Path) -> None:
    said = written(tmp_path / "count.log", {"at": 1.0, "events": 10}, "something else", {"at": 2.0, "events": 30})
    assert marks(said) == [Mark(1.0, 10), Mark(2.0, 30)]

    delivered = {"delivered": ["plays", 0, 99], "at": 1.5}
    trace = written(
        tmp_path / "trace.jsonl", committed(1.0, 0, 5), delivered, committed(2.0, 1, 7), committed(3.0, 0, 8)
    )
    assert marks(trace) == [Mark(1.0, 5), Mark(2.0, 12), Mark(3.0, 15)]
    assert marks(tmp_path / "none") == []


def test_a_rate_is_that_of_the_steady_state_alone() -> None:
    slow_start = [Mark(0.0, 1), Mark(1.9, 2)]
    steady = [Mark(2.0 + step, 1_000 * step) for step in range(21)]
    slow_end = [Mark(60.0, 20_001)]
    assert rate([*slow_start, *steady, *slow_end], 2.0, 20.0, total=10**6) == 1_000
    assert rate([*slow_start, *steady[:-1]], 2.0, 20.0, total=10**6) is None, "it is not over yet"
    assert rate([*slow_start, *steady[:11]], 2.0, 20.0, total=10_000) == 1_000, "at the end of the log"
    assert rate(slow_start, 2.0, 20.0, total=10**6) is None


def test_a_ratio_is_the_median_of_rounds_in_which_both_took_turns_and_none_without_the_other() -> None:
    found = ratios({"user": [100.0, 50.0, 80.0], "bytewax": [10.0, 10.0], "loop": [50.0, 50.0, 20.0], "item": [9.0]})
    assert found["vs_loop"] == 2.0
    assert found["vs_bytewax"] == 7.5
    assert found["vs_faust"] is None
    assert found["vs_ceiling.item"] is None


def test_the_costs_of_a_worker_are_told_by_step(redis_clean: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(costs, "EVENTS", 2 * KINDS["redis"].rows)
    found = costs.of_folds(redis_clean)
    assert set(found) == {"item", "user"}
    for each in found.values():
        assert all(each.steps[step] > 0 for step in ("decode", "fold", "pack", "redis"))
        assert any(name and share > 0 for name, share in each.functions)


def test_who_fails_in_a_round_is_out_and_leaves_the_others_theirs(tmp_path: Path) -> None:
    begun: list[str] = []

    @contextmanager
    def failing(folder: Path, settings: Settings) -> Iterator[Counting]:
        begun.append(folder.name)
        raise Missing("It is not there.")
        yield

    course = Course(tmp_path, Settings(), QUICK, rates={"user": [3.0], "faust": [1.0]})
    course.run({"faust": failing}, seconds=1.0)
    course.run({"faust": failing}, seconds=1.0)
    assert begun == ["faust-1"]
    assert course.rates == {"user": [3.0], "faust": [1.0]}


def test_partitions_have_moved_when_another_process_has_committed_each(tmp_path: Path) -> None:
    trace = tmp_path / "trace.jsonl"
    first = [committed(1.0, partition, 5, process=0 if partition < 2 else 1) for partition in range(4)]
    trace.write_text("".join(json.dumps(line) + "\n" for line in first), "utf-8")
    owners = Owners(trace)
    assert owners.of(0) == [("plays", 0), ("plays", 1)]

    def commit(line: Mapping[str, object]) -> None:
        with trace.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")

    commit(committed(2.0, 0, 6, process=2))
    assert not owners.moved([("plays", 0), ("plays", 1)], 0)
    commit(committed(3.5, 1, 6, process=2))
    commit(committed(4.0, 1, 7, process=2))
    assert owners.moved([("plays", 0), ("plays", 1)], 0)
    assert owners.first(("plays", 1), since=1.5, but=0) == 3.5


def test_the_memory_after_so_many_events_is_that_seen_while_they_were_committed(tmp_path: Path) -> None:
    trace = written(tmp_path / "trace.jsonl", *(committed(float(second), 0, 100 * second) for second in range(1, 21)))
    seen = [(second / 10, 1_000 + second) for second in range(220)]
    assert memory.resident(seen, trace, 1_000) == 1_100
    with pytest.raises(Standstill):
        memory.resident(seen[:10], trace, 1_000)


def test_what_a_chain_has_lost_and_doubled_is_told_event_by_event() -> None:
    sent = [
        Click(user, item, number, START) for number, (user, item) in enumerate([("a", "x"), ("b", "x"), ("a", "y")])
    ]
    right = wanted(sent)
    assert right == {("x", "0/0"): 1, ("x", "1/0"): 1, ("y", "2/1"): 1}
    assert difference(right, right) == (0, 0)
    assert difference(right, {("x", "0/0"): 1, ("x", "1/0"): 3}) == (1, 2)
    assert difference(right, {**right, ("y", "2/0"): 1}) == (0, 1), "the first learner has counted otherwise"


def test_sessions_are_what_follows_from_the_clicks() -> None:
    minutes = [("a", 0), ("b", 1), ("a", 30), ("a", 61), ("b", 2)]
    sent = [Opened(user, "page", START + timedelta(minutes=minute)) for user, minute in minutes]
    assert visits(sent) == {"a": {"sessions": 2, "clicks": 3}, "b": {"sessions": 1, "clicks": 2}}


def test_the_last_line_has_the_keys_that_others_rely_on_and_what_is_missed_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def concluded(figures: Mapping[str, float | None]) -> str:
        monkeypatch.setattr(proof, "PARTS", {"all": lambda folder, extent: figures})
        proof.main([])
        return capsys.readouterr().out

    found = json.loads(concluded(GOOD))
    assert {key: set(value) if isinstance(value, dict) else None for key, value in found.items()} == {
        "vs_ceiling": {"item", "user"},
        **dict.fromkeys(("vs_loop", "vs_bytewax", "vs_quix", "vs_faust", "fenced_vs_unfenced")),
        "freshness_ms": {"p50", "p99"},
        **dict.fromkeys(("recovery_s", "rss_ratio", "chain_lost", "chain_doubled", "faust_events")),
    }

    with pytest.raises(SystemExit) as ended:
        concluded({**GOOD, "vs_ceiling.user": 0.4, "chain_doubled": 1.0, "vs_faust": None})
    said = capsys.readouterr()
    assert ended.value.code == 1
    assert json.loads(said.out)["vs_faust"] is None
    assert said.err.splitlines()[1:] == [
        "vs_faust was not measured.",
        "vs_ceiling.user is 0.4, and must be 0.5 or more.",
        "chain_doubled is 1, and must be 0 or less.",
    ]


def test_a_part_that_fails_is_said_and_leaves_the_others_their_figures(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(folder: Path, extent: Extent) -> dict[str, float | None]:
        raise Standstill("The worker does not begin.")

    others = {key: value for key, value in GOOD.items() if key != "recovery_s"}
    monkeypatch.setattr(proof, "PARTS", {"recovery": broken, "others": lambda folder, extent: others})
    with pytest.raises(SystemExit):
        proof.main([])
    said = capsys.readouterr()
    assert "Standstill: The worker does not begin." in said.err
    assert said.err.splitlines()[-1] == "recovery_s was not measured."
    assert json.loads(said.out)["rss_ratio"] == 1.1


def test_the_report_says_what_was_missed_and_has_a_row_for_everybody() -> None:
    rates = {"ceiling": [1e6, 9e5], "user": [4e5, 5e5], "loop": [1e5, 1e5], "live": [4e5], "backtest": [9e5]}
    figures = {"vs_loop": 4.5, "model_vs_bare": 0.849, "vs_ceiling.user": 0.475, "vs_faust": None, "recovery_s": 4.5}
    spent = {"user": Costs(dict.fromkeys(STEPS, 1.25), [("counters.py:55 _add", 0.21)])}
    cpu = {"ceiling": [{"worker": 2.0, "redis": 0.0}], "user": [{"worker": 9.0, "redis": 3.5}]}
    measured = Measured(rates, {0.5: [10.0, 20.0, 30.0]}, figures, spent, cpu)
    page = report(measured, {"machine": "this one"}, drawn=True)
    assert "| vs_ceiling.user | the same per user | 0.475 | at least 0.5 | missed by 5% |" in page
    assert "| vs_loop | per user, by a careful hand-written loop | 4.5 | at least 3 | reached |" in page
    assert "| vs_faust | per user, by Faust | not measured | at least 100 |  |" in page
    assert "| hand-written loop, per user | 100,000 | 100,000 | 100,000 | 2 | 4.50x |" in page
    assert "| per user over the archive, into memory | 900,000 | 900,000 | 900,000 | 1 |  |" in page, "no turns with it"
    assert "| 0.849 | at least 0.85 | missed by less than 1% |" in page
    assert "| 50% | 3 | 20 ms | 28 ms | 30 ms |" in page
    assert "| 4.5 | at most 3 | missed by 50% |" in page
    assert "Missed: model_vs_bare, vs_ceiling.user, recovery_s." in page
    assert "| consume | 0.75 |" in page
    assert "| redis | 3.50 |" in page
    assert "for redis; at 450,000 events/s" in page
    assert "| `counters.py:55 _add` | 21% |" in page
    assert "(report-rates.png)" in page

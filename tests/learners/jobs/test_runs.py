"""A run of a job: what it wrote is served once all of it is there, and what fails changes nothing that is served."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from learners.jobs import Job
from learners.jobs.errors import JobFailed
from learners.jobs.exported import Exported
from storage import versions
from tests.learners.jobs.conftest import Workshop
from tests.waiting import until

ITEMS, TITLES = "relational/vectors/items", "relational/records/titles"
VECTORS = "import json\nprint('trained')\nopen('v.ndjson', 'w').write(json.dumps({'key': 'a', 'vector': [1.0, 2.0]}))\n"
SHORT = timedelta(seconds=1)


def served(workshop: Workshop, storage: str = ITEMS) -> int | None:
    """The version that a storage's name stands for."""
    technology, format, name = storage.split("/")
    with workshop.opened(technology) as opened:
        alias = opened.aliases().get((format, name))
        return None if alias is None else alias.version


def ready(workshop: Workshop, storage: str = ITEMS) -> list[int]:
    technology, format, name = storage.split("/")
    with workshop.opened(technology) as opened:
        return [item.version for item in versions.versions(opened, format, name)]


def test_what_a_run_wrote_is_served_and_what_it_said_is_kept(workshop: Workshop) -> None:
    told = {"asset_key": None, "metadata": {"loss": {"raw_value": 0.12, "type": "float"}}, "data_version": None}
    message = {"__dagster_pipes_version": "0.1", "method": "report_asset_materialization", "params": told}
    say = f"import os\nopen(os.environ['MILLRACE_JOB_MESSAGES'], 'a').write({json.dumps(message)!r} + '\\nno\\n')\n"
    exported = "assert open('likes.csv').read() == 'likes\\n'\nassert os.environ['DEPTH'] == '3'\n"
    command = workshop.python("train.py", VECTORS + say + exported)

    run = workshop.run(
        Job(
            name="train",
            command=command,
            loads={ITEMS: "v.ndjson"},
            exports={"likes": "likes.csv"},
            env={"DEPTH": "3"},
        )
    )

    assert (run.state, run.why) == ("succeeded", "")
    assert run.figures["loss"] == 0.12
    assert (run.figures[f"loaded {ITEMS}"], run.figures["exported likes"]) == (1, 6)
    assert served(workshop) == 1
    assert "trained" in workshop.log(run)
    assert not (workshop.folder / "v.ndjson").exists()


def test_a_run_that_fails_is_tried_again_and_leaves_what_is_served(workshop: Workshop) -> None:
    good = Job(name="train", command=workshop.python("train.py", VECTORS), loads={ITEMS: "v.ndjson"})
    workshop.run(good)
    failing = workshop.python("failing.py", VECTORS + "import sys\nsys.exit(3)\n")
    again = Job(name="train", command=failing, loads={ITEMS: "v.ndjson"}, retries=1, retry_after=SHORT)

    run = workshop.run(again)

    assert run.state == "failed"
    assert run.why.endswith("ended with code 3; its log says more.")
    assert workshop.log(run).count("trained") == 2
    assert (served(workshop), ready(workshop)) == (1, [1])


def test_a_command_that_logs_an_error_by_pipes_says_why_it_fails(workshop: Workshop) -> None:
    said = [
        {"method": "log", "params": {"message": "fine so far", "level": "INFO"}},
        {"method": "log", "params": {"message": "likes is empty.", "level": "ERROR"}},
    ]
    lines = "\n".join(["no message", "[]", *map(json.dumps, said)])
    say = f"import os, sys\nopen(os.environ['MILLRACE_JOB_MESSAGES'], 'a').write({lines!r})\nsys.exit(3)\n"

    run = workshop.run(Job(name="train", command=workshop.python("train.py", say)))

    assert run.why.endswith("ended with code 3; its log says more. likes is empty.")


def test_only_what_no_successful_run_has_had_is_exported_or_only_the_last_days(workshop: Workshop) -> None:
    job = Job(name="train", command=["true"], exports={"likes": "likes.csv"}, since="last run")
    for each in (job, replace(job, command=["false"]), job, replace(job, since=timedelta(days=7)), job):
        workshop.run(each)

    days = [since for _, since, _ in workshop.wanted]
    assert [mark and mark.get("next", 0) for _, _, mark in workshop.wanted] == [{}, 1, 1, None, 2]
    assert [day is None for day in days] == [True, True, True, False, True]


def test_where_nothing_is_new_since_the_last_run_there_is_nothing_to_do(workshop: Workshop) -> None:
    workshop.news = False
    job = Job(name="train", command=["false"], exports={"likes": "likes.csv"}, since="last run")

    run = workshop.run(job)

    assert run.state == "succeeded"
    assert run.figures["not run"] == "no event is new since the last run"
    assert workshop.run(replace(job, since=None)).state == "failed"


@pytest.mark.parametrize("text", ["", "[]", "3", '{"likes": 3}'])
def test_where_it_is_not_known_what_was_exported_a_run_says_so(workshop: Workshop, text: str) -> None:
    job = Job(name="train", command=["true"], exports={"likes": "likes.csv"}, since="last run")
    marks = workshop.around.home / "exported" / f"{workshop.product}.train.json"
    marks.parent.mkdir(parents=True)
    marks.write_text(text)

    with pytest.raises(JobFailed, match="Remove it to begin with all"):
        Exported(job, workshop.product, workshop.around.home, workshop.export)


def test_of_two_files_of_which_one_is_wrong_neither_is_served(workshop: Workshop) -> None:
    two = VECTORS + "open('t.csv', 'w').write('key,title\\na,A\\na,B\\n')\n"
    loads = {ITEMS: "v.ndjson", TITLES: "t.csv"}

    run = workshop.run(Job(name="train", command=workshop.python("train.py", two), loads=loads))

    assert run.state == "failed"
    assert "t.csv was not loaded into relational/records/titles" in run.why
    assert "found key 'a' again" in run.why
    assert (served(workshop), ready(workshop), served(workshop, TITLES)) == (None, [], None)


def test_a_command_that_takes_too_long_is_ended_with_what_it_has_started(workshop: Workshop) -> None:
    command = ["sh", "-c", "sleep 600 & echo child $!; wait"]

    run = workshop.run(Job(name="slow", command=command, timeout=SHORT * 2))

    assert "did not end within 2 s, and was ended" in run.why
    child = int(workshop.log(run).rpartition("child ")[2])
    until(lambda: not alive(child))


def alive(pid: int) -> bool:
    """Whether a process runs; one that has ended and is not waited for yet does not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def test_what_cannot_be_started_or_writes_no_file_says_so(workshop: Workshop) -> None:
    assert "Rscrpt cannot be started" in workshop.run(Job(name="a", command=["Rscrpt", "train.R"])).why
    silent = Job(name="b", command=["true"], loads={ITEMS: "v.ndjson"})

    assert f"wrote no file v.ndjson, which is to be loaded into {ITEMS}" in workshop.run(silent).why


def test_the_board_says_what_ran_how_long_it_usually_takes_and_what_waits(workshop: Workshop) -> None:
    first = Job(name="first", command=["true"], cron="0 3 * * *")
    second = Job(name="second", command=["false"], after=["first", "archive.likes"])
    third = Job(name="third", command=["true"])
    workshop.run(first)
    workshop.run(first)
    workshop.run(first, second, name="second")

    board = workshop.board(first, second, third)

    lines = {line.job: line for line in board.lines}
    assert [run.state for run in lines["first"].runs] == ["succeeded", "succeeded"]
    assert lines["first"].usual is not None
    assert (lines["first"].next or 0.0) > board.at
    assert (lines["second"].last and lines["second"].last.state, lines["second"].usual) == ("failed", None)
    assert lines["second"].waits == ["archive.likes"]
    assert (lines["third"].last, board.scheduled) == (None, None)
    assert board.columns == [["archive.likes"], ["first", "third"], ["second"]]

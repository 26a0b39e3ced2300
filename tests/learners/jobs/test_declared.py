"""What jobs may say: a mistake is told before anything runs."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from learners.jobs import Chain, Job, JobMissing, JobRefused
from learners.jobs.declared import read_text
from learners.jobs.project import must_come, next_times
from millrace.jobs.adding import as_table

WHOLE = """
[jobs.item_vectors]
command = ["Rscript", "train.R"]
after   = ["archive.clicks"]
cron    = "0 3 * * *"
retries = 2
loads   = { "redis/vectors/items" = "vectors.parquet" }
"""


def test_a_table_is_a_job() -> None:
    [job] = read_text(WHOLE)

    loads = {"redis/vectors/items": "vectors.parquet"}
    assert job == Job(
        name="item_vectors",
        command=["Rscript", "train.R"],
        after=["archive.clicks"],
        cron="0 3 * * *",
        retries=2,
        loads=loads,
    )
    assert (job.topics, job.jobs, job.scheduled) == (["clicks"], [], True)


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("comand = 1", "Nobody reads 'comand' of the job a; there are command, after"),
        ("command = []", "The job a has no command"),
        ('command = "Rscript train.R"', "command of the job a is no list of texts"),
        ("retries = 101", "retries = 101; it must be 0 to 100"),
        ('timeout = "soon"', "timeout of the job a: 'soon' is no duration; write 90s, 30m, 12h or 7d"),
        ('env = { "A B" = "1" }', "sets the variable 'A B', which it cannot"),
        ('env = { MILLRACE_JOB_TRY = "1" }', "sets the variable 'MILLRACE_JOB_TRY', which it cannot"),
        ('loads = { "redis/vectors/items" = "../v.csv" }', "inside of the run's own folder"),
        ('loads = { "redis/vectors/items" = "/etc/v.csv" }', "inside of the run's own folder"),
        ('loads = { "items" = "v.csv" }', "names no storage in full"),
        ('loads = { "redis/vectors/items@2" = "v.csv" }', "a load makes the next version itself"),
        ('loads = { "rediss/vectors/items" = "v.csv" }', "there is no technology 'rediss'"),
        ('loads = { "redis/vector/items" = "v.csv" }', "there is no format 'vector'"),
        ('loads = { "redis/documents/films" = "v.csv" }', "which redis cannot hold: it has no full-text index"),
        ('loads = { "redis/parameters/model" = "v.csv" }', "what a learner has trained"),
        ('exports = { "clicks" = "clicks.xlsx" }', "must end with .parquet, .arrow, .csv, .ndjson"),
    ],
)
def test_what_cannot_run_is_told_with_what_to_write(line: str, told: str) -> None:
    command = "" if line.startswith("command") else 'command = ["true"]\n'

    with pytest.raises(JobRefused) as refused:
        read_text(f"[jobs.a]\n{command}{line}\n")

    assert told in str(refused.value)


def test_what_a_job_comes_after_has_to_be_there_and_not_in_a_circle() -> None:
    first, second = Job(name="first", command=["true"], after=["second"]), Job(name="second", command=["true"])

    assert list(Chain.of([first, second]).jobs) == ["second", "first"]
    with pytest.raises(JobRefused, match="runs after 'secnd', and there is no such job; did you mean second"):
        Chain.of([Job(name="first", command=["true"], after=["secnd"]), second])
    with pytest.raises(JobRefused, match="in a circle"):
        Chain.of([first, Job(name="second", command=["true"], after=["first"])])
    loading = [Job(name=name, command=["true"], loads={"redis/ranking/r": "r.csv"}) for name in ("first", "second")]
    with pytest.raises(JobRefused, match="Both first and second load redis/ranking/r"):
        Chain.of(loading)
    with pytest.raises(JobMissing, match="did you mean second"):
        Chain.of([second]).job("secont")


@pytest.mark.parametrize(("cron", "zone"), [("0 3 * *", "UTC"), ("0 3 31 2 *", "UTC"), ("61 3 * * *", "UTC")])
def test_a_cron_that_never_comes_is_refused(cron: str, zone: str) -> None:
    with pytest.raises(JobRefused, match="which never comes"):
        must_come(Job(name="a", command=["true"], cron=cron, timezone=zone))


def test_a_cron_is_of_its_time_zone() -> None:
    job = Job(name="a", command=["true"], cron="0 3 * * *", timezone="Europe/Vienna")

    must_come(job)
    [next_one] = next_times(job, datetime(2026, 11, 26, 12, tzinfo=UTC))

    assert next_one.astimezone(UTC) == datetime(2026, 11, 27, 2, tzinfo=UTC)
    with pytest.raises(JobRefused, match="Europe/Vienna"):
        must_come(Job(name="a", command=["true"], cron="0 3 * * *", timezone="Europe/Viena"))


@given(
    st.lists(st.text(min_size=1), min_size=1), st.integers(0, 100), st.dictionaries(st.text(), st.text(), max_size=3)
)
def test_what_a_command_writes_into_the_file_is_read_as_it_was_said(
    command: list[str], retries: int, table: dict[str, str]
) -> None:
    named = {f"A{number}": value for number, value in enumerate(table.values())}
    said = {"command": command, "retries": retries, "timeout": "30m", "env": named}

    [job] = read_text(as_table("a", {key: value for key, value in said.items() if value}))

    assert (list(job.command), job.retries, dict(job.env)) == (command, retries, named)
    assert job.timeout == timedelta(minutes=30)

"""All jobs of one data product, and how they hang together. Plain values; no I/O."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from graphlib import CycleError, TopologicalSorter
from itertools import chain

from learners.jobs.errors import JobMissing, JobRefused
from learners.jobs.job import ARCHIVE, Job


@dataclass(frozen=True)
class Chain:
    """The jobs of a product, by name, each behind those that it runs after."""

    jobs: Mapping[str, Job]

    @classmethod
    def of(cls, jobs: Sequence[Job]) -> Chain:
        """Check that they can run one after another.

        Raises:
            JobRefused: two have one name, one runs after nobody knows what, they wait for one another in a circle, or
                two load the same storage.
        """
        known: dict[str, Job] = {}
        for job in jobs:
            if known.setdefault(job.name, job) is not job:
                raise JobRefused(f"Two jobs are named {job.name}; rename one of them.")
        loaded: dict[str, str] = {}
        for job in jobs:
            for storage in job.loads:
                if loaded.setdefault(storage, job.name) != job.name:
                    raise JobRefused(f"Both {loaded[storage]} and {job.name} load {storage}; one of them only may.")
        unknown = next(((job, name) for job in jobs for name in job.jobs if name not in known), None)
        if unknown is not None:
            raise JobRefused(f"The job {unknown[0].name} runs after {unknown[1]!r}, and {_instead(unknown[1], known)}")
        try:
            order = tuple(TopologicalSorter({job.name: job.jobs for job in jobs}).static_order())
        except CycleError as error:
            circle = " after ".join(reversed(error.args[1]))
            raise JobRefused(f"Jobs wait for one another in a circle: {circle}; take one of these out.") from error
        return cls({name: known[name] for name in order})

    def job(self, name: str) -> Job:
        """One job.

        Raises:
            JobMissing: there is none of this name; the message says which there are.
        """
        if name not in self.jobs:
            raise JobMissing(f"There is no job {name!r}: {_instead(name, self.jobs)}")
        return self.jobs[name]

    @property
    def topics(self) -> list[str]:
        """The topics whose archive any job runs after, sorted."""
        return sorted(set(chain.from_iterable(job.topics for job in self.jobs.values())))

    def columns(self) -> list[list[str]]:
        """Jobs, archived topics and loaded storages in columns, each right of all that it comes after."""
        at: dict[str, int] = {ARCHIVE + topic: 0 for topic in self.topics}
        for job in self.jobs.values():
            at[job.name] = 1 + max((at[name] for name in job.after), default=-1 if not self.topics else 0)
            at |= dict.fromkeys(job.loads, at[job.name] + 1)
        found: list[list[str]] = [[] for _ in range(1 + max(at.values(), default=-1))]
        for name, column in at.items():
            found[column].append(name)
        return found

    def edges(self) -> Iterator[tuple[str, str]]:
        """What comes after what: from a topic's archive or a job to a job, from a job to a storage."""
        for job in self.jobs.values():
            yield from ((before, job.name) for before in job.after)
            yield from ((job.name, storage) for storage in job.loads)


def _instead(name: str, known: Mapping[str, Job]) -> str:
    if "." in name and not known:
        return "there is no job; an archived topic is written archive.<topic>."
    close = get_close_matches(name, list(known), 1)
    if close:
        return f"there is no such job; did you mean {close[0]}?"
    return f"there {'are ' + ', '.join(known) if known else 'is none'}; an archived topic is written archive.<topic>."

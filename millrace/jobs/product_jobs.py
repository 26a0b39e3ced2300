"""The jobs that a data product declares: tables of its `jobs.toml`, and objects of its `jobs.py`."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from learners.errors import LearnerError
from learners.jobs import Chain, Job, JobRefused, read_jobs
from millrace.product_modules import ProductError, module_of

TOML, PYTHON = "jobs.toml", "jobs.py"


@dataclass(frozen=True)
class ProductJobs:
    """A product's jobs, and where they were read."""

    product: str
    folder: Path
    chain: Chain

    @classmethod
    def load(cls, folder: Path) -> ProductJobs:
        """Read them. Opens no connection.

        Raises:
            ProductError: there is no such folder, or `jobs.py` does not import.
            JobRefused: a job cannot run as it is declared.
        """
        folder = folder.resolve()
        if not folder.is_dir():
            raise ProductError(f"There is no folder {folder}; name the folder of a data product.")
        if not folder.name.isidentifier():
            raise ProductError(f"The product folder {folder} needs a name that is a Python identifier; rename it.")
        found = read_jobs(folder / TOML) if (folder / TOML).exists() else []
        try:
            found += _of_python(folder) if (folder / PYTHON).exists() else []
            whole = Chain.of(found)
        except JobRefused as error:
            raise JobRefused(f"{folder}: {error}") from error
        return cls(folder.name, folder, whole)

    @classmethod
    def some(cls, folder: Path) -> ProductJobs:
        """The same where there must be some. Raises JobRefused where there are none, too."""
        found = cls.load(folder)
        if not found.chain.jobs:
            raise JobRefused(
                f"{found.folder} declares no jobs; write {TOML} there, or let a command write it: "
                f"millrace jobs add {folder} NAME -- COMMAND"
            )
        return found


def declares_jobs(folder: Path) -> bool:
    """Whether there is a file with jobs."""
    return any((folder / name).exists() for name in (TOML, PYTHON))


def stamp(folder: Path) -> tuple[int, ...]:
    """What changes when the files with jobs do."""
    found = []
    for name in (TOML, PYTHON):
        path = folder / name
        found += [path.stat().st_mtime_ns, path.stat().st_size] if path.exists() else [0, 0]
    return tuple(found)


def _of_python(folder: Path) -> list[Job]:
    """`mr.Job(...)` objects of the module, also in lists, each once."""
    try:
        values = vars(module_of(folder, PYTHON.removesuffix(".py"))).values()
    except LearnerError as error:
        raise JobRefused(str(error)) from error
    every = chain.from_iterable(value if isinstance(value, list | tuple) else [value] for value in values)
    return list({id(value): value for value in every if isinstance(value, Job)}.values())

"""Where Dagster keeps what it knows: its instance, in one folder, on this machine alone, and telling nobody."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import dagster as dg

CONFIGURATION = """\
# Written by Millrace at each start.
telemetry:
  enabled: false
storage:
  sqlite:
    base_dir: history
run_coordinator:
  module: dagster.core.run_coordinator
  class: QueuedRunCoordinator
  config:
    dequeue_interval_seconds: 1
run_monitoring:
  enabled: true
  poll_interval_seconds: 30
  free_slots_after_run_end_seconds: 60
concurrency:
  runs:
    max_concurrent_runs: {at_once}
  pools:
    granularity: op
    default_limit: 1
compute_logs:
  module: dagster.core.storage.noop_compute_log_manager
  class: NoOpComputeLogManager
local_artifact_storage:
  module: dagster.core.storage.root
  class: LocalArtifactStorage
  config:
    base_dir: artifacts
code_servers:
  local_startup_timeout: 300
  wait_for_local_processes_on_shutdown: true
python_logs:
  python_log_level: CRITICAL
"""


def prepared(home: Path, at_once: int) -> Path:
    """Make the folder of Dagster's instance, and say there what it is to do; returns it.

    Args:
        home: the folder of all jobs.
        at_once: so many runs at most are begun by the schedule at the same time.
    """
    place = (home / "dagster").absolute()
    place.mkdir(parents=True, exist_ok=True, mode=0o700)
    text = CONFIGURATION.format(at_once=at_once)
    text = text.replace("base_dir: history", f"base_dir: {_quoted(place / 'history')}")
    text = text.replace("base_dir: artifacts", f"base_dir: {_quoted(place / 'artifacts')}")
    file, fresh = place / "dagster.yaml", place / f".dagster.yaml.{os.getpid()}"
    if not file.exists() or file.read_text("utf-8") != text:
        fresh.write_text(text, "utf-8")
        fresh.replace(file)
    return place


@contextmanager
def opened_instance(home: Path, at_once: int) -> Iterator[dg.DagsterInstance]:
    """Dagster's records of this folder.

    They are opened by one process after another: two that make them at the same time would leave them broken for good
    (SQLite by Dagster 1.13: "more than one head present").
    """
    place = prepared(home, at_once)
    with (home / "opening.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        opened = dg.DagsterInstance.from_config(str(place))
    with opened as instance:
        yield instance


def _quoted(path: Path) -> str:
    return "'" + str(path).replace("'", "''") + "'"

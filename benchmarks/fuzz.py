"""`make fuzz`: schemathesis makes requests of what the service says of itself, and finds no answer that is 5xx.

The service is that of examples/movies with all of its servers, with keys, and with some events learned. It is asked
with a key that may do everything, and then with none, when nothing may answer but what is open to everybody.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import httpx

from benchmarks.key import made_key
from benchmarks.prove_loop.stage import Stage, stage
from benchmarks.report import say
from serving.access.keys import Scope
from serving.api_key import authorization

RATINGS = 2_000
EXAMPLES = 100
SEED = 20261126


def main(program: str, more: Sequence[str]) -> int:
    """Run it; the exit code is 1 if something was found."""
    with tempfile.TemporaryDirectory(prefix="millrace-fuzz-") as name:
        folder = Path(name)
        keys = folder / "keys.json"
        shown = authorization(made_key(keys, Scope.ADMIN))
        with stage(folder, keys_file=keys) as running:
            _learned(running)
            service = running.settings.service_url
            document = folder / "openapi.json"
            document.write_bytes(httpx.get(f"{service}/openapi.json", headers=shown).raise_for_status().content)
            common = [str(Path(program).absolute()), "run", str(document), "--url", service, f"--seed={SEED}"]
            common += ["--continue-on-failure", "--suppress-health-check=all", "--generation-database=:memory:"]
            everything = [f"--header=authorization:{shown['authorization']}", f"--max-examples={EXAMPLES}"]
            checks = "--checks=not_a_server_error"
            codes = [
                _run(folder, [*common, checks, *everything, *more]),
                _run(folder, [*common, f"{checks},ignored_auth", "--max-examples=5", *more]),
            ]
            alive = httpx.get(f"{service}/readyz").status_code == 200
        _say((folder / "serve.log").read_text("utf-8"))
    return int(any(codes) or not alive)


def _learned(running: Stage) -> None:
    dataset = running.product.module("dataset")
    for event in (*dataset.films(), *dataset.ratings(datetime.now(UTC))[-RATINGS:]):
        running.platform.producer.emit(event)
    running.platform.producer.flush()
    running.meter.wait_until_level(90.0)


def _run(folder: Path, command: Sequence[str]) -> int:
    """Run it where what it remembers is in nobody's way."""
    return subprocess.run(command, cwd=folder, check=False).returncode


def _say(log: str) -> None:
    """What the service said of its own faults."""
    for found in re.findall(r"^(?:ERROR|CRITICAL) .*$", log, re.MULTILINE)[:50]:
        say(found)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))

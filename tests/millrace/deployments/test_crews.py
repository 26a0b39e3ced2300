"""Workers of a deployed product that are refused are tried again, as storages in their way may be deleted."""

from __future__ import annotations

from pathlib import Path
from threading import Event
from types import SimpleNamespace
from typing import Any, cast

import pytest

from learners import LearnerRefused
from millrace.deployments import crews


def test_a_refused_crew_is_tried_again_until_it_works_and_ends_when_told(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    runs, works = [], Event()

    class Refused:
        def __init__(self, *_: Any) -> None:
            runs.append(self)

        def run(self, stop: Event) -> None:
            if len(runs) < 3:
                raise LearnerRefused("popular@1 is in the way.")
            works.set()
            stop.wait(60)

    monkeypatch.setattr(crews, "Supervisor", Refused)
    monkeypatch.setattr(crews, "LONGEST_PAUSE", 0.0)
    store = SimpleNamespace(place=lambda *_: SimpleNamespace(folder=tmp_path, packages=None))
    crew = crews.Crew(cast(Any, store), "lively", crews.Wanted("a" * 64, False), 1, "worker", None)
    assert works.wait(60)
    crew.stop()
    crew.wait()
    assert (len(runs), crew.ended) == (3, True)
    assert caplog.text.count("cannot be learned yet: popular@1 is in the way.") == 2

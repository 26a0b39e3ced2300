"""A problem says whether it passes by itself, and only then when to come back."""

from __future__ import annotations

import pytest

from serving.problem import Lasting, Problem


@pytest.mark.parametrize(
    ("problem", "passes"),
    [
        (Problem(503, "storage-unavailable", "It is away."), True),
        (Problem(404, "unknown-storage", "There is none."), False),
        (Lasting(503, "storage-damaged", "A row is cut."), False),
    ],
)
def test_who_is_refused_is_told_when_to_come_back_only_where_that_helps(problem: Problem, passes: bool) -> None:
    assert problem.passes is passes
    assert (b"retry-after" in dict(problem.written()[0])) is passes

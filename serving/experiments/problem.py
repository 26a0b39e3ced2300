"""Why an experiment is not changed, as whoever asked for it is told: over HTTP, and on the console's page."""

from __future__ import annotations

from serving.errors import ExperimentConflict, ExperimentRefused, ExperimentsUnavailable, ExperimentUnknown
from serving.problem import Problem


def problem_of(error: ExperimentRefused | ExperimentsUnavailable) -> Problem:
    """Its status, kind and field."""
    if isinstance(error, ExperimentsUnavailable):
        return Problem(503, "experiments-unavailable", str(error))
    if isinstance(error, ExperimentUnknown):
        return Problem(404, "unknown-experiment", str(error), known=error.known)
    if isinstance(error, ExperimentConflict):
        return Problem(409, "experiment-conflict", str(error))
    return Problem(422, "wrong-experiment", str(error), field=error.field)

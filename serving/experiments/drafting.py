"""Prepares the experiments that a product declares, so that somebody may start them."""

from __future__ import annotations

from collections.abc import Sequence

from serving.errors import ExperimentRefused, ExperimentsUnavailable
from serving.experiment import Experiment
from serving.experiments.changes import LONGEST_WHO, Served, Who, prepare
from serving.experiments.experiments import Experiments


class Drafting:
    """For those of products that come while the service runs: bringing code must not change who gets which answer."""

    def __init__(self, experiments: Experiments, served: Served) -> None:
        self._experiments, self._served = experiments, served

    async def prepare(self, declared: Sequence[Experiment], by: str) -> list[str]:
        """Make each a draft, unless there is one of its name; what could not be, and why, a sentence each."""
        problems, who = [], Who(by[:LONGEST_WHO])
        for experiment in declared:
            try:
                await self._experiments.change(experiment.name, prepare(experiment, who, self._served))
            except (ExperimentRefused, ExperimentsUnavailable) as error:
                problems.append(f"The experiment {experiment.name} of product.toml is not prepared: {error}")
        return problems

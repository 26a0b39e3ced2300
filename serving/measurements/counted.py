"""Reads what the attribution learners have counted of experiments: with `measurements.py` the I/O of this part."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from serving.measurements.experiment_counts import MEASURES, WEIGHTED, VariantMeasures, variants
from serving.measurements.results import Declared
from serving.measurements.sample import VariantCounts
from storage import Catalogue, CountersReader, StorageMissing

DECISIONS = "experiment_decisions"
REWARDS = "experiment_rewards_{goal}"
MEASURED = "experiment_measures"
REWARDED = "experiment_rewards_{goal}_groups"


class Counted:
    """The learners' counters, where they are. Both calls wait for the storages, and leave out experiments that nobody
    counts."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue

    async def totals(self, experiments: Iterable[Declared]) -> Mapping[str, Mapping[str, VariantCounts]]:
        """Decisions and rewards, per experiment and variant."""
        found = {}
        for experiment in experiments:
            decisions = await self._rows(DECISIONS, [experiment.name])
            rewards = await self._rows(REWARDS.format(goal=experiment.goal), [experiment.name])
            if decisions is not None:
                found[experiment.name] = {
                    name: VariantCounts(decisions[0].get(name, 0), None if rewards is None else rewards[0].get(name, 0))
                    for name in experiment.split
                }
        return found

    async def measures(self, experiments: Iterable[Declared]) -> Mapping[str, Mapping[str, VariantMeasures]]:
        """What results are computed from: counts by group of units, latencies and units."""
        found = {}
        for experiment in experiments:
            rows = await self._rows(MEASURED, [f"{experiment.name}.{measure}" for measure in MEASURES])
            if rows is not None:
                rewarded = [experiment.name, f"{experiment.name}.{WEIGHTED}"]
                rewards = await self._rows(REWARDED.format(goal=experiment.goal), rewarded)
                by_weight = experiment.period_s > 0
                found[experiment.name] = variants(list(experiment.split), rows, rewards, by_weight)
        return found

    async def _rows(self, storage: str, keys: Sequence[str]) -> Sequence[Mapping[str, int]] | None:
        """Rows of counters, or None while no learner has created the storage."""
        try:
            return await self._catalogue.reader(CountersReader, storage).get_many(keys)
        except StorageMissing:
            return None

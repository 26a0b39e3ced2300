"""The rows of counters as arrays per variant."""

from __future__ import annotations

from serving.measurements.experiment_counts import variants


def test_fields_fall_to_their_variant_and_group_and_what_is_missing_is_zero() -> None:
    rows = [{"old.17": 3, "new.17": 1, "new.511": 2}, {"new.17": 1}, {"old.10": 2, "old.20": 1}, {"old.5000": 2}, {}]

    found = variants(["old", "new", "third"], rows, [{"old.17": 1}, {}])

    assert (found["old"].decisions[17], found["new"].decisions.sum(), found["third"].decisions.sum()) == (3, 3, 0)
    assert found["new"].fallbacks[17] == 1
    assert found["old"].rewards is not None
    assert found["old"].rewards.sum() == 1
    assert (found["old"].quantile(0.5), found["old"].quantile(0.99), found["new"].quantile(0.5)) == (10.0, 100.0, None)
    assert found["old"].units == {5000: 2}


def test_rewards_that_nobody_counts_are_unknown() -> None:
    assert variants(["old"], [{}] * 5, None)["old"].rewarded is None


def test_where_the_split_changes_by_itself_the_weights_are_compared() -> None:
    rows = [{"old.17": 3}, {}, {}, {}, {"old.17": 15_000}]

    found = variants(["old", "new"], rows, [{"old.17": 2}, {"old.17": 5_000}], by_weight=True)["old"]

    assert found.rewarded is not None
    assert (found.decisions[17], found.rewarded.decisions[17], found.rewarded.rewards[17]) == (3, 1.5, 0.5)

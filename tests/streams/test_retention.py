"""What follows from topics is kept as long as the longest kept of them."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from streams.retention import Retention, longest

BOUNDS = st.just(-1) | st.integers(1, 10**9)
RETENTIONS = st.builds(Retention, BOUNDS, BOUNDS, st.frozensets(st.sampled_from(["retention.ms", "retention.bytes"])))


@given(st.lists(RETENTIONS, min_size=1, max_size=4), st.integers(1, 20))
def test_the_longest_is_shorter_than_none_and_its_settings_hold_as_much(found: list[Retention], parts: int) -> None:
    together = longest(found)
    assert not any(together.shorter(one) for one in found)
    settings = together.settings(parts)
    assert settings.keys() == together.own
    size = int(settings.get("retention.bytes", -1))
    assert size == -1 or 0 <= size * parts - together.bytes < parts

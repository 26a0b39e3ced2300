"""What is asked of `mr.scan` is looked at before any server is."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest

import millrace as mr
from schemas.errors import MillraceError


@pytest.mark.parametrize("moment", ["2026-11-01", datetime(2026, 11, 1)])
def test_what_is_no_moment_with_a_time_zone_is_refused_with_how_to_write_it(moment: Any) -> None:
    with pytest.raises(MillraceError, match="tzinfo=UTC"):
        mr.scan("clicks", since=moment)
    with pytest.raises(MillraceError, match="tzinfo=UTC"):
        mr.scan_source("prices", at=moment)

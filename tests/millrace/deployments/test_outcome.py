"""What `millrace deploy` says at its end."""

from __future__ import annotations

from typing import Any

from millrace.commands.deployments import _outcome


def done(
    state: str = "live", missing: list[str] | None = None, problem: str = "", unable: list[str] | None = None
) -> dict[str, Any]:
    return {"name": "trending", "hash": "73872b8e5aa0" + "0" * 52, "state": state, "problem": problem} | {
        "storages_missing": missing or [],
        "unable": unable or [],
        "declares": {"endpoints": ["trending", "pages"]},
    }


def test_a_product_is_live_only_once_its_storages_are_there() -> None:
    assert _outcome(done(), 6.24) == "trending 73872b8e5aa0 is live after 6.2 s: /v1/trending, /v1/pages."
    waits = _outcome(done(missing=["ranking/pages"]), 60)
    assert "is live" not in waits
    assert "what reads ranking/pages answers once a worker has made it" in waits
    misnamed = _outcome(done(unable=["pages/mine: ranking/favorites does not exist; did you mean favourites?"]), 1)
    assert "is live" not in misnamed
    assert "pages/mine: ranking/favorites does not exist; did you mean favourites?" in misnamed
    assert "failed on this service: no disk" in _outcome(done("failed", problem="no disk"), 1)

"""A platform's technologies: opened when they are needed, each for itself."""

from __future__ import annotations

import asyncio
from contextlib import closing
from pathlib import Path

import pytest

from millrace.platform import Platform
from millrace.settings import Settings
from storage import DriverMissing, Ranking, StorageUnavailable
from storage.formats.blank import blank
from storage.versions import create


def settings(folder: Path, **changes: object) -> Settings:
    """A relational database in a file, and nothing else."""
    plain = {"redis_url": "", "relational_url": f"sqlite:///{folder}/state/relational.db"}
    return Settings(**{**plain, **changes})  # type: ignore[arg-type]


async def titles(platform: Platform) -> list[str]:
    async with platform.catalogue() as catalogue:
        await catalogue.refresh()
        catalogue.must_answer(["relational"])
        return [item.title for item in catalogue.storages()]


def test_looking_at_a_database_that_nobody_uses_creates_nothing(tmp_path: Path) -> None:
    with closing(Platform(settings(tmp_path))) as platform:
        assert asyncio.run(titles(platform)) == []
        assert list(platform.technologies) == ["relational"]
    assert list(tmp_path.iterdir()) == []


def test_what_is_created_in_a_database_is_found_there(tmp_path: Path) -> None:
    with closing(Platform(settings(tmp_path))) as platform:
        create(platform.technologies["relational"], blank("relational", "ranking", "popular", {}), "ada")
        assert asyncio.run(titles(platform)) == ["relational/ranking/popular@1"]


def test_a_technology_that_is_not_set_up_is_not_there(tmp_path: Path) -> None:
    with closing(Platform(settings(tmp_path, relational_url=""))) as platform:
        assert dict(platform.technologies) == {}
        assert "redis" not in platform.technologies
        with pytest.raises(KeyError):
            platform.technologies["redis"]


def test_one_whose_server_is_away_hides_no_other(tmp_path: Path) -> None:
    async def looked(platform: Platform) -> tuple[list[str], dict[str, str | None]]:
        async with platform.catalogue() as catalogue:
            await catalogue.refresh()
            with pytest.raises(StorageUnavailable, match="redis does not answer"):
                catalogue.must_answer()
            health = {name: health.error for name, health in catalogue.health().items()}
            return [item.title for item in catalogue.storages()], health

    with closing(Platform(settings(tmp_path, redis_url="redis://127.0.0.1:1/0"))) as platform:
        relational = platform.technologies["relational"]
        relational.declare(Ranking("popular", technology="relational").describe("popular", 1, 1, "clicks"))
        found, health = asyncio.run(looked(platform))
    assert found == ["relational/ranking/popular@1"]
    assert health["relational"] is None
    assert "127.0.0.1:1" in (health["redis"] or "")


def test_a_missing_driver_is_named_with_its_extra_when_it_is_needed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(name: str) -> None:
        raise ModuleNotFoundError("No module named 'psycopg'", name="psycopg")

    monkeypatch.setattr("storage.technologies.import_module", missing)
    with closing(Platform(settings(tmp_path))) as platform:
        assert "relational" in platform.technologies
        with pytest.raises(DriverMissing, match=r"install millrace\[postgresql\]"):
            platform.technologies["relational"]

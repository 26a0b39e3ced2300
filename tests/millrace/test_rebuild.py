"""A new version is filled from the archive, goes on in Kafka at the exact position, is compared, and is switched to."""

from __future__ import annotations

import uuid
from contextlib import closing
from pathlib import Path

import pytest

from benchmarks.prove_batch import notes
from learners.errors import RebuildStopped
from millrace.archive import ArchiveMissing
from millrace.platform import Platform
from millrace.product import Product, ProductError
from millrace.rebuild.run import RebuildDoubtful, Wanted, run_rebuild
from millrace.settings import Settings
from storage import versions
from streams.errors import ArchiveBehind


@pytest.fixture
def settings(kafka: str, registry_url: str, tmp_path: Path) -> Settings:
    return Settings(
        kafka=kafka,
        registry_url=registry_url,
        archive_url=str(tmp_path / "kept"),
        default_technology="relational",
        relational_url=f"sqlite:///{tmp_path / 'rows.db'}",
        partitions=notes.PARTITIONS,
    )


@pytest.fixture
def product(settings: Settings, tmp_path: Path) -> Path:
    """The notes' folder, over a topic of its own."""
    folder = notes.write(tmp_path / "notes", f"notes-{uuid.uuid4().hex[:8]}")
    notes.prepare(folder, settings)
    return folder


def topic_of(product: Path) -> str:
    return next(iter(Product.load(product).event_types))


def read(settings: Settings) -> set[int]:
    """The versions that the storages' names stand for."""
    with closing(Platform(settings)) as platform:
        return {alias.version for alias in platform.technologies["relational"].aliases().values()}


@pytest.mark.server
@pytest.mark.timeout(180)
def test_a_new_version_is_the_fold_from_offset_zero_though_kafka_has_lost_the_beginning(
    product: Path, settings: Settings
) -> None:
    notes.emit(product, settings, range(2_000))
    notes.archive(product, settings)
    first = run_rebuild(product, "notes", settings, Wanted())
    assert (first.events, first.answers, first.compared) == (2_000, True, [])
    assert notes.learned(settings, 1) == notes.expected(2_000)

    notes.forget(settings, topic_of(product), 0.7)
    notes.emit(product, settings, range(2_000, 2_500))  # which only Kafka has
    notes.write(product, topic_of(product), version=2, weight=3)
    second = run_rebuild(product, "notes", settings, Wanted())

    assert notes.learned(settings, 2) == notes.expected(2_500, weight=3)
    assert notes.learned(settings, 1) == notes.expected(2_000)
    assert (second.events, second.answers, read(settings)) == (2_000, True, {2})
    compared = {item.storage: item for item in second.compared}
    tags = compared["relational/counters/tags"]
    assert (tags.old_rows, tags.new_rows, tags.sampled, tags.equal) == (7, 7, 7, 0)
    assert (tags.old_sum, tags.new_sum) == (2_000, 7_500)

    again = run_rebuild(product, "notes", settings, Wanted())
    assert (again.events, again.answers) == (0, True)
    notes.write(product, topic_of(product), version=3, tag='"all"')
    with pytest.raises(RebuildDoubtful, match="relational/counters/tags@3 has 1 rows, and @2 has 7"):
        run_rebuild(product, "notes", settings, Wanted())
    assert read(settings) == {2}
    notes.write(product, topic_of(product), version=4, tag="[note.tag, 1 // (note.number - 17)][0]")
    with pytest.raises(
        RebuildStopped, match=r"ZeroDivisionError: .*notes/learners.py:\d+: self.tags.add_one\("
    ) as told:
        run_rebuild(product, "notes", settings, Wanted())
    assert "Put it right, and the same command goes on" in str(told.value)
    notes.write(product, topic_of(product), version=4)
    run_rebuild(product, "notes", settings, Wanted(switch=False))
    assert notes.learned(settings, 4) == notes.expected(2_500)
    with closing(Platform(settings)) as platform:
        versions.rollback(platform.technologies["relational"], "counters", "tags")
    assert read(settings) == {1}


@pytest.mark.server
def test_what_cannot_be_rebuilt_is_told_before_anything_begins(product: Path, settings: Settings) -> None:
    with pytest.raises(ArchiveMissing, match="so there is nothing to rebuild from"):
        run_rebuild(product, "notes", settings, Wanted())
    with pytest.raises(ProductError, match="has no learner 'tags'; it has notes"):
        run_rebuild(product, "tags", settings, Wanted())

    notes.emit(product, settings, range(300))
    notes.archive(product, settings)
    notes.emit(product, settings, range(300, 600))
    notes.forget(settings, topic_of(product), 0.9)  # before somebody archived it
    with pytest.raises(ArchiveBehind, match="neither has the events between"):
        run_rebuild(product, "notes", settings, Wanted())

    assert read(settings) == set()

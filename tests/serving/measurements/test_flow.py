from dataclasses import replace

import pytest

from serving.measurements import (
    AnswerCounts,
    Condition,
    EndpointFacts,
    Failure,
    History,
    ImplementationFacts,
    find,
    flow,
)
from storage import Descriptor
from storage.alias import first
from tests.serving.measurements.samples import T0, history, sample, state, storage, unit

CO_WATCHED = storage("co_watched")
HISTORY = storage("viewer_history")
TITLES = storage("titles", writer="titles@1", topic="items")
FACTS = [EndpointFacts("recommend", 0.05, (ImplementationFacts("personal", "4f1c", T0, (CO_WATCHED.title,)),))]


def running(seconds: int = 10, behind: int = 0) -> History:
    """Two learners over two topics for some seconds: ratings at 100/s, items quiet, ratings `behind` events."""
    storages = [CO_WATCHED, HISTORY, TITLES]
    made = history()
    for second in range(seconds + 1):
        states = [
            state(unit("co_watched"), max(0, 100 * second - behind), T0 + second),
            state(unit("titles", "items"), 40, T0),
        ]
        ends = {"ratings": 100 * second, "items": 40, "ratings-dead-letters": 3}
        counts = AnswerCounts(20 * second, second, 0, (0.01,), (20 * second, 0))
        made.add(sample(second, ends, states, storages, {"recommend": counts}))
    return made


def test_before_the_first_sample_there_is_no_picture() -> None:
    assert flow(History(), FACTS) is None


def test_topics_have_rate_age_and_their_dead_letters() -> None:
    found = flow(running(), FACTS)

    assert found is not None
    items, ratings = found.topics
    assert (ratings.name, ratings.rate, ratings.arrived, ratings.dead) == ("ratings", 100, T0 + 10, 3)
    assert (items.name, items.rate, items.arrived, items.dead, items.held) == ("items", 0, None, None, 40)


def test_topics_and_their_learners_come_in_the_order_asked_for() -> None:
    found = flow(running(), FACTS, ["ratings", "items"])

    assert found is not None
    assert [topic.name for topic in found.topics] == ["ratings", "items"]
    assert [learner.name for learner in found.learners] == ["co_watched", "titles"]


def test_a_learner_that_writes_two_storages_is_one_learner_with_each_unit_once() -> None:
    found = flow(running(), FACTS)

    assert found is not None
    assert [(learner.name, len(learner.units)) for learner in found.learners] == [("titles", 1), ("co_watched", 1)]
    assert len(found.units) == 2


def test_a_storage_is_as_far_behind_as_its_learner_and_names_who_reads_it() -> None:
    found = flow(running(behind=500), FACTS)

    assert found is not None
    by_name = {item.descriptor.name: item for item in found.storages}
    assert by_name["co_watched"].behind is not None
    assert by_name["co_watched"].behind.events == 500
    assert by_name["co_watched"].condition is Condition.BEHIND
    assert by_name["co_watched"].readers == ("recommend",)
    assert by_name["titles"].readers == ()
    assert [unit.title for unit in found.unusual] == ["co_watched/0"]


def test_an_endpoint_has_its_rate_latency_and_fallbacks_of_the_last_minute() -> None:
    found = flow(running(), FACTS)

    assert found is not None
    (recommend,) = found.endpoints
    assert (recommend.total, recommend.rate, recommend.p50, recommend.fallbacks) == (200, 20, 0.005, 0.05)
    assert recommend.answered == T0 + 10


def test_failures_are_those_of_the_last_minute_the_most_frequent_first() -> None:
    late, broken = Failure("a", "deadline-passed", "b"), Failure("a", "implementation-failed", "b")
    counts = [AnswerCounts(10, 5, failures={late: 5}), AnswerCounts(20, 9, failures={late: 6, broken: 3})]
    made = history(*(replace(sample(10 * place), answers={"recommend": one}) for place, one in enumerate(counts)))

    found = flow(made, FACTS)

    assert found is not None
    assert found.endpoints[0].failures == ((broken, 3), (late, 1))
    assert found.endpoints[0].failing


def test_an_endpoint_that_was_never_asked_has_no_latency() -> None:
    found = flow(running(), [EndpointFacts("similar", 0.03)])

    assert found is not None
    (similar,) = found.endpoints
    assert (similar.total, similar.p50, similar.fallbacks, similar.answered) == (0, None, None, None)


def test_when_kafka_goes_away_what_was_known_stays_with_its_time_and_rates_become_unknown() -> None:
    made = running()
    made.add(sample(11, None, [state(unit("co_watched"), 1000)], [CO_WATCHED]))

    found = flow(made, FACTS)

    assert found is not None
    assert (found.at, found.ends_at) == (T0 + 11, T0 + 10)
    ratings = next(topic for topic in found.topics if topic.name == "ratings")
    assert (ratings.held, ratings.rate) == (1000, None)
    assert found.learners[0].behind is None


def test_a_version_that_was_replaced_is_out_of_the_picture_but_not_forgotten() -> None:
    newer = storage("co_watched", writer="co_watched@2", version=2)
    made = history(sample(0, {"ratings": 9}, [state(unit("co_watched"), 1)], [CO_WATCHED, newer]))

    found = flow(made, [])

    assert found is not None
    assert [item.short for item in found.storages] == ["co_watched@2"]
    assert [item.short for item in found.superseded] == ["co_watched@1"]


def versions_shown(read: int | None, *storages: Descriptor) -> tuple[list[str], list[str]]:
    """Storages and learners in the picture where the name `popular` stands for the version `read`."""
    aliases = {} if read is None else {item.title: first(read, 0) for item in storages}
    states = [state(unit("popular", version=item.version), 9) for item in storages if item.topic]
    found = flow(history(replace(sample(0, {"ratings": 9}, states, storages), aliases=aliases)), FACTS)
    assert found is not None
    return [item.short for item in found.storages], [item.title for item in found.learners]


LEARNED, LOADED = storage("popular", "popular@1"), storage("popular", "load_popular@2", "", 2)


@pytest.mark.parametrize(("read", "shown"), [(1, ["popular@1"]), (2, ["popular@1", "popular@2"])])
def test_what_a_learner_writes_stays_in_the_picture_when_another_version_is_loaded(read: int, shown: list[str]) -> None:
    assert versions_shown(read, LEARNED, LOADED) == (shown, ["popular@1"])


def test_while_a_new_version_catches_up_the_one_that_is_read_stays_in_the_picture() -> None:
    newer = storage("popular", "popular@2", version=2)

    assert versions_shown(1, LEARNED, newer) == (["popular@1", "popular@2"], ["popular@1", "popular@2"])
    assert versions_shown(2, LEARNED, newer) == (["popular@2"], ["popular@2"])


def test_of_two_versions_of_a_learner_that_both_run_each_unit_says_which_it_is() -> None:
    storages = [LEARNED, storage("popular", "popular@2", version=2)]
    made = history()
    for second in range(11):
        states = [state(unit("popular", version=version), 100 * second) for version in (1, 2)]
        made.add(sample(second, {"ratings": 100 * second}, states, storages))
    found = flow(made, [])

    assert found is not None
    assert [item.title for item in found.learners] == ["popular@1", "popular@2"]
    assert [found.title(item) for item in found.units] == ["popular@1/0", "popular@2/0"]


def test_an_event_is_followed_through_the_learners_of_its_topic() -> None:
    picture = flow(running(behind=500), FACTS)
    assert picture is not None

    folded, waiting = find(picture, "ratings", 0, 499), find(picture, "ratings", 0, 700)

    assert [(item.learner.name, item.folded) for item in folded.passages] == [("co_watched", True)]
    assert [(item.folded, item.first) for item in waiting.passages] == [(False, 200)]


def test_an_event_that_cannot_be_followed_says_why() -> None:
    picture = flow(running(), FACTS)
    assert picture is not None

    assert find(picture, "ratings", 0, 5000).state == "not yet"
    assert find(picture, "ratings", 9, 5).state == "no such partition"

import pytest

from serving.console.layout import Layout, layout
from serving.measurements import EndpointFacts, Flow, ImplementationFacts, flow
from storage import Descriptor, UnitState
from tests.serving.measurements.samples import T0, history, sample, state, storage, unit

STORAGES = [
    storage("popular", "popular@1"),
    storage("co_watched", "co_watched@1"),
    storage("viewer_history", "co_watched@1"),
    storage("titles", "titles@1", "items"),
    storage("experiment_decisions", "decision_counts@1", "decisions"),
]
STATES = [
    state(unit("popular"), 9),
    state(unit("co_watched"), 9),
    state(unit("titles", "items"), 9),
    state(unit("decision_counts", "decisions"), 9),
]
FACTS = [
    EndpointFacts("recommend", 0.05, (ImplementationFacts("x", reads=(STORAGES[0].title, STORAGES[1].title)),)),
    EndpointFacts("titles", 0.05, (ImplementationFacts("y", reads=(STORAGES[3].title,)),)),
    EndpointFacts("unread", 0.05),
]


def picture(storages: list[Descriptor] = STORAGES, states: list[UnitState] = STATES, high: int = 9) -> Flow:
    highs = dict.fromkeys(("ratings", "items", "decisions"), high)
    made = history(sample(-20, dict.fromkeys(highs, 0), states, storages), sample(0, highs, states, storages))
    found = flow(made, FACTS, ["ratings", "items", "decisions"])
    assert found is not None
    return found


def row(drawn: Layout, column: str, name: str) -> int:
    return list(drawn.columns[column]).index(name)


def test_everything_stands_in_its_column_once() -> None:
    drawn = layout(picture())

    names = {column: [name for name in names if name] for column, names in drawn.columns.items()}
    assert sorted(names["topics"]) == ["decisions", "items", "ratings"]
    assert sorted(names["learners"]) == ["co_watched@1", "decision_counts@1", "popular@1", "titles@1"]
    assert sorted(names["storages"]) == sorted(item.title for item in STORAGES)
    assert sorted(names["endpoints"]) == ["experiments", "recommend", "titles", "unread"]


def test_a_learner_stands_in_the_row_of_its_first_storage_and_a_topic_in_that_of_its_first_learner() -> None:
    drawn = layout(picture())

    assert row(drawn, "learners", "titles@1") == row(drawn, "storages", STORAGES[3].title)
    assert row(drawn, "topics", "items") == row(drawn, "learners", "titles@1")
    assert row(drawn, "topics", "ratings") == 0


def test_an_edge_within_a_row_is_straight_and_one_between_rows_bends() -> None:
    drawn = layout(picture())
    paths = {(edge.start[1], edge.end[1]): edge.path for edge in drawn.edges}

    assert "C" not in paths["items", "titles@1"]
    assert "C" in paths["ratings", "popular@1"] or "C" in paths["ratings", "co_watched@1"]


def test_what_is_connected_with_a_node_is_everything_before_and_after_it_and_nothing_beside_it() -> None:
    found = layout(picture()).connected(("learners", "popular@1"))

    assert found == {
        ("topics", "ratings"),
        ("learners", "popular@1"),
        ("storages", STORAGES[0].title),
        ("endpoints", "recommend"),
    }


def test_past_the_limit_what_is_in_step_is_folded_and_what_is_behind_stays() -> None:
    many = [storage(f"s{number:02}", f"l{number:02}@1") for number in range(30)]
    states = [state(unit(f"l{number:02}"), 9 if number != 27 else 0) for number in range(30)]

    drawn = layout(picture(many, states), limit=12)

    shown = [name for name in drawn.columns["storages"] if name]
    assert len(shown) == 12
    assert drawn.folded == 18
    assert many[27].title in shown


def test_what_nobody_writes_or_reads_takes_no_room_from_what_is_live() -> None:
    idle = [storage(f"a{number:02}", "", "") for number in range(38)]

    drawn = layout(picture([*idle, *STORAGES]), limit=12)

    assert {name for name in drawn.columns["storages"] if name} == {item.title for item in STORAGES}
    assert (drawn.folded, drawn.idle) == (0, 38)


def test_past_the_limit_what_is_written_and_read_is_drawn_first() -> None:
    unread = [storage(f"a{number:02}", f"a{number:02}@1") for number in range(12)]
    states = [*STATES, *(state(unit(f"a{number:02}"), 9) for number in range(12))]

    drawn = layout(picture([*unread, *STORAGES], states), limit=6)

    read = {STORAGES[0].title, STORAGES[1].title, STORAGES[3].title}
    assert read < {name for name in drawn.columns["storages"] if name}


@pytest.mark.parametrize("count", [0, 1, 7])
def test_the_drawing_is_as_high_as_its_longest_column(count: int) -> None:
    some = [storage(f"s{number}", f"l{number}@1") for number in range(count)]
    drawn = layout(picture(some, [state(unit(f"l{number}"), 9, T0) for number in range(count)]))

    assert drawn.rows == max(len(column) for column in drawn.columns.values())
    assert drawn.rows >= count

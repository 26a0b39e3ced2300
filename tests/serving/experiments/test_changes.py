"""What may be done to an experiment, from which state, and what is written of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import msgspec
import pytest

from serving.assignment import size
from serving.errors import ExperimentConflict, ExperimentRefused, ExperimentUnknown
from serving.experiment import Experiment
from serving.experiments import changes
from serving.experiments.changes import Changing, Who
from serving.experiments.definition import KEPT, Definition, of_bytes
from serving.experiments.fitting import fitting
from serving.experiments.known import Known, declared

ADA = Who("ada", "to see")
FIRST = Experiment("first", "recommend", {"popular_now": 50, "personal": 50}, "click", ramp=10)


@dataclass(frozen=True)
class Loaded:
    """What a service serves."""

    implementations: dict[str, Sequence[str]] = field(
        default_factory=lambda: {
            "recommend": ("popular_now", "personal", "newest"),
            "recommend@2": ("scored",),
            "search": ("plain", "fuzzy"),
        }
    )
    goals: Sequence[str] = ("click", "clicks")
    once: Sequence[str] = ("click",)


LOADED = Loaded()


class Topic:
    """The topic, changed by one writer."""

    def __init__(self, *experiments: Experiment) -> None:
        self.known = Known(declared(experiments, "product.toml"), {})

    def change(self, changing: Changing) -> Definition | None:
        item = changing(self.known)
        if item is not None:
            found = of_bytes(item.to_bytes(), item.name)
            assert found == item
            self.known = Known(self.known.declared, {**self.known.recorded, item.name: found})
        return item

    def create(self, experiment: Experiment) -> Definition | None:
        return self.change(changes.create(experiment, ADA, LOADED))

    def state(self, name: str = "first") -> str:
        return self.known.all[name].state


def test_an_experiment_is_started_ramped_shipped_and_rolled_back_and_all_of_it_is_in_its_history() -> None:
    topic = Topic()
    topic.create(replace(FIRST, draft=True))
    assert topic.state() == "draft"
    topic.change(changes.start("first", ADA, LOADED))
    assert topic.known.all["first"].ranges == ((0, 1000),)
    topic.change(changes.ramp("first", 25, ADA))
    assert topic.known.all["first"].ranges == ((0, 2500),)
    topic.change(changes.ship("first", "personal", Who("ada"), LOADED))
    assert fitting(topic.known, LOADED.implementations).ordinary == {"recommend": "personal"}
    topic.change(changes.rollback("first", ADA))
    assert fitting(topic.known, LOADED.implementations).ordinary == {}

    item = topic.known.all["first"]
    assert [change.action for change in item.history] == ["create", "start", "ramp", "ship", "rollback"]
    assert [change.what for change in item.history] == [
        "prepared, popular_now 50, personal 50 on recommend, 10 % of the layer recommend",
        "started with 10 % of the layer recommend",
        "from 10 % to 25 % of the layer recommend",
        "personal answers for everybody on recommend",
        "its first implementation answers for everybody on recommend again",
    ]
    assert {change.by for change in item.history} == {"ada"}
    assert item.history[0].note == "to see"
    assert item.revision == 5


def test_what_is_so_already_is_not_written_again() -> None:
    topic = Topic()
    assert topic.create(FIRST) is not None
    assert topic.create(FIRST) is None
    assert topic.change(changes.start("first", ADA, LOADED)) is None
    assert topic.change(changes.ramp("first", 10, ADA)) is None
    topic.change(changes.stop("first", ADA))
    assert topic.change(changes.stop("first", ADA)) is None


def test_a_stopped_experiment_goes_on_with_the_units_that_it_had() -> None:
    topic = Topic()
    topic.create(FIRST)
    topic.create(replace(FIRST, name="second"))
    topic.change(changes.stop("second", ADA))
    topic.change(changes.start("second", ADA, LOADED, 20))
    assert topic.known.all["second"].ranges == ((1000, 3000),)


def test_experiments_of_one_layer_own_different_buckets_as_many_as_there_are() -> None:
    topic = Topic()
    topic.create(replace(FIRST, ramp=60.0))
    with pytest.raises(ExperimentRefused, match="wants 50 % of the layer recommend, and first leaves 40 % of it"):
        topic.create(replace(FIRST, name="second", ramp=50))
    topic.create(replace(FIRST, name="second", ramp=40))
    with pytest.raises(ExperimentRefused, match="second leaves 60 %"):
        topic.change(changes.ramp("first", 60.01, ADA))
    topic.change(changes.ramp("second", 0.01, ADA))
    topic.change(changes.ramp("first", 99.99, ADA))
    assert sum(size(item.ranges) for item in topic.known.running()) == 10_000


def test_a_layer_reaches_over_endpoint_types_and_one_type_is_in_one_layer() -> None:
    topic = Topic()
    topic.create(replace(FIRST, layer="front"))
    topic.create(Experiment("words", "search", {"plain": 1, "fuzzy": 1}, "click", 30, "front"))
    assert topic.known.all["words"].ranges == ((1000, 4000),)
    with pytest.raises(ExperimentRefused, match="first runs on recommend in the layer front"):
        topic.create(replace(FIRST, name="second"))


@pytest.mark.parametrize(
    ("experiment", "message", "where"),
    [
        (replace(FIRST, endpoint="elsewhere"), "no endpoint type 'elsewhere'; there are: recommend", "endpoint"),
        (replace(FIRST, split={"nobody": 1}), "recommend has no implementation 'nobody'", "split"),
        (replace(FIRST, goal="clik"), "no goal 'clik'; there are: click", "goal"),
    ],
)
def test_an_experiment_is_about_what_is_loaded(experiment: Experiment, message: str, where: str) -> None:
    with pytest.raises(ExperimentRefused, match=message) as caught:
        Topic().create(experiment)
    assert caught.value.field == where


def test_a_name_is_used_once_because_counts_are_kept_under_it() -> None:
    topic = Topic(replace(FIRST, name="declared"))
    topic.create(FIRST)
    topic.change(changes.stop("first", ADA))
    for name in ("first", "declared"):
        with pytest.raises(ExperimentConflict, match="its counts are kept under its name"):
            topic.create(replace(FIRST, name=name, split={"newest": 1}))


def test_a_draft_may_be_changed_until_it_is_started() -> None:
    topic = Topic()
    topic.create(replace(FIRST, draft=True))
    topic.create(replace(FIRST, draft=True, split={"newest": 1, "personal": 2}))
    topic.change(changes.ramp("first", 50, ADA))
    topic.create(replace(FIRST, split={"newest": 1, "personal": 3}))
    item = topic.known.all["first"]
    assert (item.state, dict(item.split), len(item.history)) == ("running", {"newest": 1, "personal": 3}, 4)


@pytest.mark.parametrize(
    ("state", "refused"),
    [
        ("draft", ["ship", "rollback"]),
        ("running", ["rollback"]),
        ("stopped", ["ramp", "rollback"]),
        ("shipped", ["start", "ramp", "stop"]),
    ],
)
def test_what_does_not_fit_how_it_stands_is_refused_with_how_that_is(state: str, refused: list[str]) -> None:
    topic = Topic()
    topic.create(replace(FIRST, draft=True))
    for action in {"draft": "", "running": "start", "stopped": "stop", "shipped": "start ship"}[state].split():
        topic.change(do(action))
    for action in ("start", "ramp", "ship", "stop", "rollback"):
        if action in refused:
            with pytest.raises(ExperimentConflict, match=f"first is {state}, and {action} is for one that is"):
                topic.change(do(action))


def do(action: str) -> Changing:
    return {
        "start": changes.start("first", ADA, LOADED),
        "ramp": changes.ramp("first", 77, ADA),
        "ship": changes.ship("first", "personal", ADA, LOADED),
        "stop": changes.stop("first", ADA),
        "rollback": changes.rollback("first", ADA),
    }[action]


def test_an_experiment_that_is_not_there_is_answered_with_those_that_are() -> None:
    with pytest.raises(ExperimentUnknown, match="no experiment 'frist'; there are: first"):
        Topic(FIRST).change(changes.stop("frist", ADA))


def test_what_was_shipped_last_answers_and_a_rollback_leads_to_what_was_shipped_before() -> None:
    topic = Topic()
    for name, variant in (("first", "personal"), ("second", "newest")):
        topic.create(replace(FIRST, name=name, split={"popular_now": 1, variant: 1}))
        topic.change(changes.ship(name, variant, ADA, LOADED))
    assert fitting(topic.known, LOADED.implementations).ordinary == {"recommend": "newest"}
    item = topic.change(changes.rollback("second", ADA))
    assert fitting(topic.known, LOADED.implementations).ordinary == {"recommend": "personal"}
    assert item is not None
    assert item.history[-1].what == "personal, shipped by first, answers for everybody on recommend again"


@pytest.mark.parametrize(("by", "note"), [("a" * 101, ""), ("ada\n", ""), ("ada", "\x1b[31m"), ("ada", "n" * 501)])
def test_who_and_why_are_printable_and_short(by: str, note: str) -> None:
    with pytest.raises(ExperimentRefused, match="all of them printable"):
        Who(by, note)


def test_a_long_history_keeps_its_newest_part_and_says_how_much_is_left_out() -> None:
    topic = Topic()
    topic.create(FIRST)
    for number in range(KEPT + 4):
        topic.change(changes.ramp("first", 11 + number % 2, ADA))
    item = topic.known.all["first"]
    assert (len(item.history), item.left_out) == (KEPT, 5)


def test_the_code_holds_until_somebody_changes_the_experiment_and_then_the_topic_does() -> None:
    topic = Topic(FIRST)
    assert topic.known.all["first"].history[0].by == "product.toml"
    topic.change(changes.ramp("first", 30, ADA))
    assert topic.known.all["first"].ramp == 30
    assert [change.action for change in topic.known.all["first"].history] == ["declare", "ramp"]
    assert topic.known.differences == {"first": "ramp 10 % in the code and 30 % here"}

    after = Known(declared([replace(FIRST, ramp=30)], "product.toml"), topic.known.recorded)
    assert after.differences == {}
    topic.change(changes.stop("first", ADA))
    assert "running in the code and stopped here" in topic.known.differences["first"]


def test_declared_experiments_keep_their_buckets_whatever_becomes_of_the_others() -> None:
    topic = Topic(replace(FIRST, ramp=50), replace(FIRST, name="second", ramp=50))
    topic.change(changes.stop("first", ADA))
    assert topic.known.all["second"].ranges == ((5000, 10_000),)
    topic.create(replace(FIRST, name="third", ramp=20))
    assert topic.known.all["third"].ranges == ((0, 2000),)


def test_of_the_code_and_the_topic_that_own_the_same_buckets_the_topic_is_served() -> None:
    """As when a replica runs other code than the one through which the experiment was started."""
    topic = Topic()
    topic.create(replace(FIRST, name="second", ramp=50))
    known = Known(declared([FIRST], "product.toml"), topic.known.recorded)
    fit = fitting(known, LOADED.implementations)
    assert [item.name for item in fit.running["recommend"]] == ["second"]
    assert fit.aside == {
        "first": "Experiment first cannot run: second owns some of the same buckets of the layer recommend."
    }


def test_an_experiment_that_names_code_which_is_not_loaded_here_is_left_aside_and_said() -> None:
    topic = Topic()
    topic.create(FIRST)
    fit = fitting(topic.known, {"recommend": ["popular_now"], "search": ["plain"]})
    assert fit.names == frozenset()
    assert "gives traffic to personal, no implementation of recommend" in fit.aside["first"]
    topic.change(changes.ship("first", "personal", ADA, LOADED))
    fit = fitting(topic.known, {"recommend": ["popular_now"]})
    assert (fit.ordinary, list(fit.aside)) == ({}, ["first"])
    with pytest.raises(ExperimentRefused):
        fitting(topic.known, {"recommend": ["popular_now"]}, ["first"])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format": 2}, "has the format 2, and this release reads 1"),
        ({"ranges": ((0, 999),)}, "its ranges have 999 buckets, which is not 10 %"),
        ({"ranges": ((0, 600), (500, 900))}, "two of its ranges overlap"),
        ({"ranges": ((9500, 10_500),)}, "lies outside"),
        ({"name": "other"}, "its key and its name differ"),
        ({"state": "shipped", "shipped": "nobody"}, "none of its variants"),
        ({"ramp": 0.001}, "steps of 0.01"),
        ({"state": "paused"}, "Invalid enum value 'paused'"),
        ({"endpoint": "a b"}, "no endpoint type's name"),
    ],
)
def test_a_row_that_makes_no_sense_is_refused_with_why(change: dict[str, object], message: str) -> None:
    topic = Topic()
    topic.create(FIRST)
    row = msgspec.json.encode({**msgspec.to_builtins(topic.known.all["first"]), **change})
    with pytest.raises(ExperimentRefused, match=message):
        of_bytes(row, "first")


@pytest.mark.parametrize("row", [b"", b"{", b"\xff", b"[]", b"{}", b'{"format": 1}'])
def test_a_row_that_is_no_definition_is_refused(row: bytes) -> None:
    with pytest.raises(ExperimentRefused, match="is left aside"):
        of_bytes(row, "first")

"""What the Experiments page asks before it changes something: what will happen, to whom, and how to undo it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from serving.assignment import BUCKETS, size
from serving.console.experiment_words import percent
from serving.experiments.changes import Served
from serving.experiments.definition import Definition
from serving.experiments.known import Known

TITLES = {
    "start": "Start {name}",
    "ramp": "Change the traffic of {name}",
    "ship": "Ship a variant of {name}",
    "stop": "Stop {name}",
    "rollback": "Roll back {name}",
}


@dataclass(frozen=True, slots=True)
class Creation:
    """The form of a new experiment: the implementations of each endpoint type, and the goals."""

    endpoints: Mapping[str, Sequence[str]]
    goals: Sequence[str]
    layers: Sequence[str]
    kind: str = "create"
    title: str = "Start experiment"
    button: str = "Start experiment"


@dataclass(frozen=True, slots=True)
class Shadowing:
    """The form of a new shadow: implementations, each with its endpoint type before it."""

    implementations: Sequence[str]
    kind: str = "shadow"
    title: str = "Shadow an implementation"
    button: str = "Start shadow"


@dataclass(frozen=True, slots=True)
class Move:
    """An experiment is about to change. `words` say what happens, and `undo` how to take it back."""

    kind: str
    name: str
    title: str
    button: str
    words: Sequence[str]
    undo: str
    variants: Sequence[str] = ()
    ramp: str = ""


def creation(known: Known, served: Served) -> Creation:
    """Endpoint types that have more than one implementation come first: there is something to try."""
    found = {title: list(names) for title, names in served.implementations.items()}
    ordered = dict(sorted(found.items(), key=lambda pair: len(pair[1]) < 2))
    layers = sorted({item.layer for item in known.running()} - found.keys())
    return Creation(ordered, list(served.goals), layers)


def shadowing(served: Served) -> Shadowing:
    """All implementations."""
    return Shadowing([f"{title}/{name}" for title, names in served.implementations.items() for name in names])


def move(kind: str, item: Definition, known: Known) -> Move | None:
    """What an action would do; None where there is no such action."""
    if kind not in TITLES:
        return None
    title = TITLES[kind].format(name=item.name)
    words, undo, button = _words(kind, item, known)
    return Move(
        kind,
        item.name,
        title,
        button,
        words,
        undo,
        list(item.split)[::-1] if kind == "ship" else (),
        f"{item.ramp:g}" if kind in ("start", "ramp") else "",
    )


def _words(kind: str, item: Definition, known: Known) -> tuple[list[str], str, str]:
    """What happens, how to undo it, and what the button says."""
    if item.shadow:
        return _of_shadow(kind, item)
    if kind == "start":
        again = "Each unit gets the variant that it had." if item.state == "stopped" else "It runs on all replicas."
        return [f"Units of {item.endpoint} come in at once. {again}"], "Stop it.", "Start"
    if kind == "ramp":
        room = percent((BUCKETS - size(known.taken(item.layer, item.name))) / 100)
        words = [
            "Nobody who stays in it changes the variant; only those who must come in or go out.",
            f"Other experiments leave {room} of the layer {item.layer}.",
        ]
        return words, f"Set it back to {percent(item.ramp)}: the same units come back.", "Change traffic"
    if kind == "ship":
        ends = "The experiment ends, and that variant" if item.running else "That variant"
        return (
            [f"{ends} answers for every unit of {item.endpoint} that is in no other experiment."],
            "Roll it back: what answered before does again.",
            "Ship",
        )
    if kind == "stop":
        moved = f"{percent(size(item.ranges) / 100)} of the units" if item.running else "Nobody"
        verb = "get" if item.running else "gets"
        words = [f"{moved} {verb} another answer than now: what {item.endpoint} answers without it. Counts are kept."]
        return words, "Start it again: each unit gets the variant that it had.", "Stop"
    return (
        [f"{item.shipped} answers no longer for everybody: what did so before it was shipped does again."],
        "Ship it again.",
        "Roll back",
    )


def _of_shadow(kind: str, item: Definition) -> tuple[list[str], str, str]:
    if kind == "stop":
        return [f"{item.variants[0].name} is asked no more copies. Answers are not touched."], "Start it again.", "Stop"
    button = "Start" if kind == "start" else "Change traffic"
    return [f"So many units of {item.endpoint} are asked twice; nobody gets the second answer."], "Stop it.", button

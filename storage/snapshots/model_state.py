"""What a model has learned, found by walking it beside a fresh one that its factory made.

The fresh one is the measure: whatever can be put back into it is state, and a part that the factory does not make, such
as the nodes of a growing tree, cannot be put back and is refused by its name.
"""

from __future__ import annotations

from typing import Any, NoReturn

import numpy as np

from storage.snapshots.model_parts import (
    CODE,
    SCALARS,
    SEQUENCES,
    attributes_of,
    is_mapping,
    maker_of,
    says_itself,
)
from storage.snapshots.model_path import joined, step_of
from storage.snapshots.value import DTYPES, Key, Numbers, Scalar, Value


class _Absent:
    """What stands for a part that a fresh model does not have."""


_ABSENT = _Absent()


class NotHeld(ValueError):
    """A part of a model that cannot be put back; it begins with the path."""


def state_of(model: Any, fresh: Any) -> tuple[dict[str, Value], frozenset[str]]:
    """What a model has learned, by path, and the paths of numbers that are still as its factory made them.

    Numbers, arrays and numbers by key are there in any case; other values only where they differ from the factory's.

    Args:
        fresh: what the model's factory makes.

    Raises:
        NotHeld: a part cannot be put back into what the factory makes.
    """
    walk = _Walk()
    walk.visit(model, fresh, None)
    return walk.values, frozenset(walk.as_made)


class _Walk:
    def __init__(self) -> None:
        self.values: dict[str, Value] = {}
        self.as_made: set[str] = set()
        self._met_before: dict[int, tuple[Any, Any]] = {}
        self._taken: set[int] = set()

    def visit(self, value: Any, fresh: Any, path: str | None) -> None:
        kind = type(value)
        if kind in SCALARS or kind is np.float64:
            self._scalar(value, fresh, path or "")
        elif value is fresh or isinstance(value, CODE):
            return
        elif isinstance(value, np.ndarray | np.generic):
            self._array(value, fresh, path or "")
        elif says_itself(value):
            self._said(value, fresh, path)
        elif is_mapping(value):
            self._mapping(value, fresh, path)
        elif isinstance(value, SEQUENCES):
            self._sequence(value, fresh, path)
        else:
            self._object(value, fresh, path)

    def _scalar(self, value: Any, fresh: Any, path: str) -> None:
        plain: Scalar = float(value) if isinstance(value, float) else value
        as_made = type(fresh) is type(value) and (value == fresh or (value != value and fresh != fresh))
        if type(plain) in (int, float):
            self._number(path, plain, as_made)
        elif not as_made:
            self.values[path] = plain

    def _array(self, value: Any, fresh: Any, path: str) -> None:
        _must_be_numbers(value, path)
        as_made = type(fresh) is type(value) and _equal(value, fresh)
        if isinstance(value, np.ndarray) and self._met(value, fresh, path):
            if value.shape != fresh.shape:
                _refuse(path, "is an array that other parts share and whose shape has changed")
            return
        self._number(path, np.asarray(value), as_made)

    def _number(self, path: str, value: Value, as_made: bool) -> None:
        self.values[path] = value
        if as_made:
            self.as_made.add(path)

    def _said(self, value: Any, fresh: Any, path: str | None) -> None:
        _must_be_made(value, fresh, path)
        if self._met(value, fresh, path):
            return
        before = fresh.parameters()
        for name, array in value.parameters().items():
            here, found = joined(path, step_of(str(name))), np.asarray(array)
            _must_be_numbers(found, here)
            self._number(here, found, name in before and _equal(found, np.asarray(before[name])))

    def _mapping(self, value: Any, fresh: Any, path: str | None) -> None:
        made, maker = type(fresh) is type(value), maker_of(value)
        if path is None or not maker:
            _must_be_made(value, fresh, path)
        if getattr(value, "__dict__", None):
            _refuse(path, f"is {_named(value)}, a mapping with attributes of its own")
        if self._met(value, fresh, path) or (made and not len(value) and not len(fresh)):
            return
        numbers = None if path is None else _numbers(value)
        if numbers is None:
            self._children(value, fresh, path)
        else:
            as_made = made and dict(fresh.items()) == numbers
            self._number(path or "", Numbers(numbers, 0 if made else maker), as_made)

    def _children(self, value: Any, fresh: Any, path: str | None) -> None:
        _must_be_made(value, fresh, path)
        if lost := [key for key in fresh if key not in value]:
            _refuse(path, f"has lost {lost[0]!r}, which the factory makes")
        for key, item in value.items():
            if type(key) not in (str, int, bool):
                _refuse(path, f"has the key {key!r}; texts, integers and booleans are kept")
            self.visit(item, _fresh_item(fresh, key, item), joined(path, step_of(key)))

    def _sequence(self, value: Any, fresh: Any, path: str | None) -> None:
        made, items = type(fresh) is type(value), list(value)
        if all(type(item) in SCALARS for item in items):
            if made and fresh == value:
                return
            if type(value) is not list or isinstance(fresh, SEQUENCES):
                _must_be_made(value, fresh, path)
            sets = isinstance(value, set | frozenset)
            self.values[path or ""] = sorted(items, key=lambda item: (type(item).__name__, item)) if sets else items
            return
        _must_be_made(value, fresh, path)
        if isinstance(value, set | frozenset) or len(value) != len(fresh):
            _refuse(path, f"has {len(value)} items that are no plain values where the factory makes {len(fresh)}")
        if self._met(value, fresh, path):
            return
        for place, (item, other) in enumerate(zip(items, fresh, strict=True)):
            self._item(value, item, other, joined(path, str(place)))

    def _item(self, owner: Any, item: Any, fresh: Any, path: str) -> None:
        """An item of a sequence; in a tuple only what can be filled in place may have changed."""
        fixed = type(item) in SCALARS or (isinstance(item, np.ndarray) and item.shape != np.shape(fresh))
        if not isinstance(owner, tuple) or not fixed:
            self.visit(item, fresh, path)
        elif type(fresh) is not type(item) or item != fresh:
            _refuse(path, "has changed, and a tuple's items stay as the factory made them")

    def _object(self, value: Any, fresh: Any, path: str | None) -> None:
        _must_be_made(value, fresh, path)
        if self._met(value, fresh, path):
            return
        own, made = attributes_of(value), attributes_of(fresh)
        if own is None or made is None:
            if not _equal(value, fresh):
                _refuse(path, f"is {_named(value)}, which keeps state that cannot be looked into")
            return
        if lost := [name for name in made if name not in own]:
            _refuse(path, f"has lost the attribute {lost[0]}, which the factory makes")
        for name, item in own.items():
            self.visit(item, made.get(name, _ABSENT), joined(path, step_of(name)))

    def _met(self, value: Any, fresh: Any, path: str | None) -> bool:
        """Whether this part was met before by another path, as in a fresh model; what is shared there must be shared
        here, and nothing else, or filling a fresh model would make another one."""
        other = fresh if type(fresh) is type(value) else object()
        known = self._met_before.get(id(value))
        if known is None and id(other) not in self._taken:
            self._met_before[id(value)] = value, other  # both are kept alive, so that no other part gets their ids
            self._taken.add(id(other))
            return False
        if known is None or known[1] is not other:
            _refuse(path, "is shared by other parts than in what the factory makes")
        return True


def _numbers(value: Any) -> dict[Any, float] | None:
    """A mapping's items, if its keys are of one plain type and its values numbers."""
    found = dict(value.items())
    keys, kinds = set(map(type, found)), set(map(type, found.values()))
    if len(keys) > 1 or not keys <= {str, int, bool} or not kinds <= {int, float, np.float64}:
        return None
    if kinds <= {float} or kinds == {int}:
        return found
    return {key: float(number) for key, number in found.items()}


def _fresh_item(fresh: Any, key: Key, item: Any) -> Any:
    """What a fresh mapping has under a key, or would make for it."""
    if key in fresh:
        return fresh[key]
    make = getattr(fresh, "default_factory", None)
    return _ABSENT if make is None or type(item) in SCALARS else make()


def _must_be_made(value: Any, fresh: Any, path: str | None) -> None:
    if type(fresh) is not type(value):
        _refuse(path, f"is {_named(value)} where the factory makes {_named(fresh)}, so it could not be made again")


def _must_be_numbers(array: Any, path: str) -> None:
    if array.dtype.newbyteorder("<").str not in DTYPES:
        _refuse(path, f"is {_named(array)} of {array.dtype}, and only numbers and booleans are kept")


def _refuse(path: str | None, problem: str) -> NoReturn:
    raise NotHeld(f"{path or 'itself'} {problem}")


def _named(value: Any) -> str:
    if value is _ABSENT:
        return "nothing"
    kind = type(value)
    return "None" if value is None else f"{kind.__module__}.{kind.__qualname__}".removeprefix("builtins.")


def _equal(one: Any, other: Any) -> bool:
    if isinstance(one, np.ndarray | np.generic):
        first, second = np.asarray(one), np.asarray(other)
        return first.dtype == second.dtype and np.array_equal(first, second, equal_nan=first.dtype.kind == "f")
    try:
        return type(one) is type(other) and bool(one == other)
    except Exception:  # a comparison is the class's own code
        return False

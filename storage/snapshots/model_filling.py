"""Putting what was learned into a fresh model: the other half of `model_state.py`.

Nothing is made that the factory has not made, but for plain containers of numbers (`model_parts.MAKERS`): bytes that
somebody else wrote can give a model wrong numbers, and nothing more.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import Any

import numpy as np

from storage.snapshots.model_parts import MAKERS, attributes_of, is_mapping, says_itself, set_attribute
from storage.snapshots.model_path import key_of, tree_of
from storage.snapshots.value import Numbers, Value

_ABSENT = object()


class NoPlace(ValueError):
    """A value whose path leads nowhere in the model: the factory is another one than when it was written."""


def fill(model: Any, values: Mapping[str, Value]) -> None:
    """Put values by path into a model that its factory has just made.

    Raises:
        NoPlace: a path leads nowhere; the message names it.
    """
    _fill(model, tree_of(values), "")


def _fill(part: Any, branch: Mapping[str, Any], path: str) -> None:
    if says_itself(part):
        part.load({str(key_of(step)): np.array(value) for step, value in branch.items()})
        return
    for step, below in branch.items():
        here = f"{path}/{step}".removeprefix("/")
        if isinstance(below, dict):
            _fill(_below(part, step, here), below, here)
        else:
            _set(part, step, below, here)


def _below(part: Any, step: str, path: str) -> Any:
    """The part that a step leads to."""
    if isinstance(part, list | tuple | deque):
        return part[_place(part, step, path)]
    if is_mapping(part):
        return _item(part, key_of(step), path)
    found = (attributes_of(part) or {}).get(str(key_of(step)), _ABSENT)
    if found is _ABSENT:
        raise NoPlace(f"{path} is no part of it")
    return found


def _item(part: Any, key: Any, path: str) -> Any:
    if key not in part:
        make = getattr(part, "default_factory", None)
        if not callable(make):
            raise NoPlace(f"{path} is no part of it")
        part[key] = make()
    return part[key]


def _set(part: Any, step: str, value: Value, path: str) -> None:
    if isinstance(part, list | tuple | deque):
        place = _place(part, step, path)
        settled = _settled(part[place], value)
        if settled is not part[place]:
            _replace(part, place, settled, path)
    elif is_mapping(part):
        key = key_of(step)
        filled = isinstance(value, Numbers | list) and hasattr(part, "default_factory")
        part[key] = _settled(_item(part, key, path) if filled else part.get(key), value)
    else:
        name = str(key_of(step))
        found = attributes_of(part) or {}
        try:
            set_attribute(part, name, _settled(found.get(name), value))
        except AttributeError as error:
            raise NoPlace(f"{path} is no part of it") from error


def _replace(part: Any, place: int, settled: Any, path: str) -> None:
    if isinstance(part, tuple):
        raise NoPlace(f"{path} cannot be replaced in a tuple")
    part[place] = settled


def _place(part: Any, step: str, path: str) -> int:
    if not step.isdecimal() or int(step) >= len(part):
        raise NoPlace(f"{path} is no part of it")
    return int(step)


def _settled(old: Any, value: Value) -> Any:
    """What stands there from now on: the old part with new contents where it can be filled, so that whoever shares it
    sees them, or a new value."""
    if isinstance(value, Numbers):
        numbers = _made(value.maker) if value.maker or not is_mapping(old) else old
        numbers.clear()
        for key, number in value.by_key.items():
            numbers[key] = number
        return numbers
    if isinstance(value, list):
        return _listed(old, value)
    return _array(old, value) if isinstance(value, np.ndarray) else value


def _made(maker: int) -> Any:
    if maker not in MAKERS:
        raise NoPlace("a mapping of numbers has no place in it")
    return MAKERS[maker]()


def _listed(old: Any, items: list[Any]) -> Any:
    if isinstance(old, tuple | frozenset):
        return type(old)(items)
    if isinstance(old, list | deque):
        old.clear()
        old.extend(items)
        return old
    if isinstance(old, set):
        old.clear()
        old.update(items)
        return old
    return list(items)


def _array(old: Any, value: Any) -> Any:
    native = value.dtype.newbyteorder("=")
    if not isinstance(old, np.ndarray):
        return value.astype(native)[()] if value.ndim == 0 else np.array(value, native)
    if (old.shape, old.dtype) != (value.shape, native) or not old.flags.writeable:
        return np.array(value, native)
    np.copyto(old, value)
    return old

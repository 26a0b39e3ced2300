"""What a model's object graph is made of: plain values, mappings, sequences, and objects with attributes."""

from __future__ import annotations

from collections import Counter, defaultdict, deque
from collections.abc import Callable, Mapping, MutableMapping
from functools import cached_property, partial
from types import BuiltinFunctionType, FunctionType, MethodType, MethodWrapperType, ModuleType
from typing import Any, Protocol

import numpy as np

SCALARS = (bool, int, float, str, type(None))
SEQUENCES = (list, tuple, deque, set, frozenset)
CODE = (FunctionType, BuiltinFunctionType, MethodType, MethodWrapperType, ModuleType, type, partial, np.ufunc)
"""What a model calls is no state."""
DERIVED = {
    ("river.compose.pipeline", "Pipeline"): frozenset(
        ["_plan", "_inference_transformers", "_last_step_cached", "_last_step_params"]
    )
}
"""Attributes that a class works out from its others when it needs them, and that stay empty in a fresh model."""


class Arrays(Protocol):
    """A model that says itself what it has learned."""

    def parameters(self) -> Mapping[str, Any]:
        """Its arrays by name."""

    def load(self, parameters: Mapping[str, Any]) -> None:
        """Take over what another one has learned."""


def says_itself(value: Any) -> bool:
    """Whether it is one of `Arrays`."""
    return all(callable(getattr(type(value), name, None)) for name in ("parameters", "load"))


def is_mapping(value: Any) -> bool:
    """Whether it is a mapping that can be filled. River's sparse vectors only behave like one."""
    return isinstance(value, MutableMapping) or all(
        hasattr(type(value), name) for name in ("keys", "items", "__getitem__", "__setitem__", "clear")
    )


def attributes_of(value: Any) -> dict[str, Any] | None:
    """An object's attributes; None where it keeps more than them, out of Python's sight.

    A class that says itself how it is copied, and one with a layout in C, may keep anything: `object.__reduce_ex__`
    knows, as it refuses to copy those.
    """
    kind = type(value)
    if not (_plainly(kind, "__reduce_ex__") and _plainly(kind, "__reduce__")):
        return None
    try:
        if _plainly(kind, "__getstate__"):
            object.__reduce_ex__(value, 2)
    except TypeError:
        return None
    state = object.__getstate__(value)
    parts = state if isinstance(state, tuple) else (state,)
    found = {name: item for part in parts if part for name, item in part.items()}
    derived = DERIVED.get((kind.__module__, kind.__qualname__), frozenset())
    return {
        name: item
        for name, item in found.items()
        if name not in derived and not isinstance(getattr(kind, name, None), cached_property)
    }


def _plainly(kind: type, method: str) -> bool:
    return getattr(kind, method) is getattr(object, method)


def set_attribute(owner: Any, name: str, value: Any) -> None:
    """Set what `attributes_of` gave, past what the class may do about it."""
    slots = {slot for kind in type(owner).__mro__ for slot in vars(kind).get("__slots__", ())}
    if name in slots:
        object.__setattr__(owner, name, value)
    else:
        owner.__dict__[name] = value


def _sparse_vector() -> Any:
    from river.utils import VectorDict

    return VectorDict()


MAKERS: dict[int, Callable[[], Any]] = {
    1: dict,
    2: partial(defaultdict, float),
    3: partial(defaultdict, int),
    4: Counter,
    5: _sparse_vector,
}
"""Mappings of numbers that a model may make while it learns (the moments of Adam), by the number that a snapshot has
for each, so that bytes never name a class."""


def maker_of(value: Any) -> int:
    """The number of what makes an empty mapping like this one; 0 = nothing here does."""
    kind = type(value)
    if kind is defaultdict:
        return {float: 2, int: 3}.get(value.default_factory, 0)
    if kind.__name__ == "VectorDict" and kind.__module__.partition(".")[0] == "river":
        return 5
    return 1 if kind is dict else 4 if kind is Counter else 0

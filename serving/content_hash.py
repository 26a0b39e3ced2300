"""The identity of a piece of code: a hash of a function's source and of all that it uses from its own product.

An implementation keeps its hash when something beside it changes, and gets another one when a function that it calls,
a class or a constant changes, in whatever file of its product that stands.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Sequence
from hashlib import sha256
from types import CodeType, FunctionType, ModuleType
from typing import Any

_PLAIN = (str, bytes, int, float, bool, type(None))


def content_hash(function: Callable[..., Any], given: Sequence[Any] = ()) -> str:
    """Eight hexadecimal digits. Reads the files of the product, so it is to be called soon after they were loaded.

    Args:
        given: what the function gets from outside and does not name in its code: factories of models.
    """
    root = _package(function.__module__)
    parts: dict[str, str] = {}
    _collect(function, root, parts)
    for place, item in enumerate(given):
        _add(f"given[{place}]", item, root, parts)
    return sha256("\n".join(f"{name}\n{parts[name]}" for name in sorted(parts)).encode()).hexdigest()[:8]


def _collect(item: Any, root: str, parts: dict[str, str]) -> None:
    name = f"{item.__module__}.{item.__qualname__}"
    if name in parts:
        return
    try:
        parts[name] = inspect.getsource(item)
    except (OSError, TypeError):  # made at run time, or typed into a prompt
        parts[name] = repr(item.__code__.co_code) if isinstance(item, FunctionType) else item.__qualname__
    for function in _functions(item):
        for used, value in _globals(function, root):
            _add(f"{function.__module__}.{used}", value, root, parts)


def _add(name: str, value: Any, root: str, parts: dict[str, str]) -> None:
    """A value that code uses: the code itself where it is of the same product, plain values, and what holds them.

    Whatever else there is (a compiled pattern, a number of numpy's) is left out: its text may differ between processes.
    """
    if isinstance(value, FunctionType | type):
        if _package(value.__module__) == root:
            _collect(value, root, parts)
            parts.setdefault(name, f"{value.__module__}.{value.__qualname__}")
    elif isinstance(value, _PLAIN):
        parts[name] = repr(value)
    elif isinstance(value, list | tuple | set | frozenset):
        parts[name] = f"{type(value).__name__} of {len(value)}"
        for place, item in enumerate(sorted(value, key=_order) if isinstance(value, set | frozenset) else value):
            _add(f"{name}[{place}]", item, root, parts)
    elif isinstance(value, dict):
        parts[name] = f"dict of {len(value)}"
        for place, (key, item) in enumerate(value.items()):
            _add(f"{name}[{place}].key", key, root, parts)
            _add(f"{name}[{place}].value", item, root, parts)


def _order(member: Any) -> str:
    """A text to sort a set's members by, the same in every process."""
    if isinstance(member, tuple):
        return repr([_order(item) for item in member])
    if isinstance(member, frozenset):
        return repr(sorted(_order(item) for item in member))
    if isinstance(member, FunctionType | type):
        return f"{member.__module__}.{member.__qualname__}"
    return repr(member) if isinstance(member, _PLAIN) else type(member).__name__


def _functions(item: Any) -> Iterator[FunctionType]:
    members = vars(item).values() if isinstance(item, type) else [item]
    yield from (member for member in members if isinstance(member, FunctionType))


def _globals(function: FunctionType, root: str) -> Iterator[tuple[str, Any]]:
    """What a function's code, with the functions inside it, names of its module, or of a module of the same product
    that it names (`near.similar` after `from . import near`)."""
    waiting: list[CodeType] = [function.__code__]
    while waiting:
        code = waiting.pop()
        waiting += [constant for constant in code.co_consts if isinstance(constant, CodeType)]
        named = [(name, function.__globals__[name]) for name in code.co_names if name in function.__globals__]
        for name, value in named:
            if not isinstance(value, ModuleType):
                yield name, value
            elif _package(value.__name__) == root:
                members = vars(value)
                yield from ((f"{name}.{member}", members[member]) for member in code.co_names if member in members)


def _package(module: str) -> str:
    """`millrace_products.movies` for a product's module, and the module itself for any other."""
    parts = module.split(".")
    return ".".join(parts[:2]) if parts[0] == "millrace_products" else module

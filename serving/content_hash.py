"""The identity of a piece of code: a hash of a function's source and of all that it uses from its own product.

An implementation keeps its hash when something beside it changes, and gets another one when a function that it calls,
a class or a constant changes, in whatever file of its product that stands.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from hashlib import sha256
from types import CodeType, FunctionType
from typing import Any

_PLAIN = (str, bytes, int, float, bool, tuple, type(None))


def content_hash(function: Callable[..., Any]) -> str:
    """Eight hexadecimal digits. Reads the files of the product, so it is to be called soon after they were loaded."""
    root = _package(function.__module__)
    parts: dict[str, str] = {}
    _collect(function, root, parts)
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
        for used, value in _globals(function):
            if isinstance(value, FunctionType | type) and _package(value.__module__) == root:
                _collect(value, root, parts)
            elif isinstance(value, _PLAIN):
                parts[f"{function.__module__}.{used}"] = repr(value)


def _functions(item: Any) -> Iterator[FunctionType]:
    members = vars(item).values() if isinstance(item, type) else [item]
    yield from (member for member in members if isinstance(member, FunctionType))


def _globals(function: FunctionType) -> Iterator[tuple[str, Any]]:
    """What a function's code, with the functions inside it, names of its module."""
    waiting: list[CodeType] = [function.__code__]
    while waiting:
        code = waiting.pop()
        waiting += [constant for constant in code.co_consts if isinstance(constant, CodeType)]
        yield from ((name, function.__globals__[name]) for name in code.co_names if name in function.__globals__)


def _package(module: str) -> str:
    """`millrace_products.movies` for a product's module, and the module itself for any other."""
    parts = module.split(".")
    return ".".join(parts[:2]) if parts[0] == "millrace_products" else module

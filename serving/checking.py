"""Whether endpoint types can be served: every implementation bound, and asked the golden requests."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from serving.endpoint_type import EndpointType
from serving.errors import EndpointRefused
from serving.golden import Golden
from serving.implementation import Ask, Implementation
from storage import Catalogue
from storage.errors import StorageError, StorageMissing

PATIENCE = 5.0
"""Seconds that a golden request may take: its deadline is for a process that is warm."""


async def run_golden(endpoints: Sequence[EndpointType[Any, Any]], catalogue: Catalogue) -> list[str]:
    """Ask every implementation the golden requests of its type.

    An implementation whose storage does not exist yet is not asked: whether it may be taken depends on what it would
    replace, which only the service knows (`Endpoints.take`).

    Returns:
        one sentence per problem, each beginning with the endpoint type's name; empty when all is well.
    """
    problems: list[str] = []
    for kind in dict.fromkeys(endpoints):
        if not kind.implementations:
            problems.append(f"{kind.title}: it has no implementation.")
        for implementation in kind.implementations.values():
            try:
                ask = implementation.bind(catalogue)
            except StorageMissing:
                continue
            except EndpointRefused as error:  # it begins with the title
                problems.append(str(error))
                continue
            except StorageError as error:
                problems.append(f"{implementation.title}: {error}")
                continue
            for number, golden in enumerate(kind.golden, start=1):
                problem = await golden_problem(kind, implementation, ask, golden)
                if problem is not None:
                    problems.append(f"{implementation.title}: golden request {number} {problem.rstrip('.')}.")
    return problems


async def golden_problem(
    kind: EndpointType[Any, Any], implementation: Implementation[Any, Any], ask: Ask[Any, Any], golden: Golden[Any, Any]
) -> str | None:
    """What is wrong with the answer to one golden request; None when nothing is."""
    try:
        request = kind.requests.decode(kind.requests.encode(golden.request))
    except (TypeError, ValueError) as error:
        return f"is no request of {kind.title}: {error}"
    try:
        async with asyncio.timeout(PATIENCE):  # in this task: what another one raises as SystemExit ends the loop
            answer = await ask(request)
    except TimeoutError:
        return f"got no answer within {PATIENCE:.0f} s"
    except (Exception, SystemExit) as error:
        file = implementation.function.__code__.co_filename
        return f"raised {one_line(error, lambda passed: passed == file)}"
    if not isinstance(answer, kind.response):
        return f"was answered with {type(answer).__name__}, not with {kind.response.__name__}"
    try:
        kind.responses.encode(answer)
    except (TypeError, ValueError) as error:
        return f"was answered with what has no JSON: {error}"
    try:
        return None if golden.holds(answer) else f"was answered with what its predicate refuses: {answer!r:.200}"
    except (Exception, SystemExit) as error:
        return f"has a predicate that raised {type(error).__name__}: {error}"


def one_line(error: BaseException, ours: Callable[[str], bool]) -> str:
    """An error in one line, with the last line that it passed through in the files that are `ours` to look at."""
    place, trace = "", error.__traceback__
    while trace is not None:
        file = trace.tb_frame.f_code.co_filename
        if ours(file):
            place = f"{Path(file).name}:{trace.tb_lineno}: "
        trace = trace.tb_next
    if isinstance(error, SyntaxError) and error.filename:
        line = f": {error.text.strip()}" if error.text and error.text.strip() else ""
        return f"{Path(error.filename).name}:{error.lineno}: {type(error).__name__}: {error.msg}{line}"
    return f"{place}{type(error).__name__}: {error}"

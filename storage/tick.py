"""What is asked in one tick of the event loop, by whomever, travels in one request."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

Q = TypeVar("Q")
A = TypeVar("A")


class Tick(Generic[Q, A]):
    """Gathers questions until the loop's next tick. Belongs to the event loop that it is made on.

    Args:
        send: answers many questions at once, in their order; what it raises all who asked get.
        most: so many questions at most in one request.
    """

    def __init__(self, send: Callable[[Sequence[Q]], Awaitable[Sequence[A]]], most: int) -> None:
        self._send, self._most = send, most
        self._loop = asyncio.get_running_loop()
        self._waiting: list[tuple[Sequence[Q], asyncio.Future[list[A]]]] = []
        self._sending: set[asyncio.Task[None]] = set()

    async def ask(self, questions: Sequence[Q]) -> list[A]:
        """The answers to these questions, in their order. May be cancelled; others get theirs all the same."""
        if not questions:
            return []
        if not self._waiting:
            self._loop.call_soon(self._flush)
        future: asyncio.Future[list[A]] = self._loop.create_future()
        self._waiting.append((questions, future))
        return await future

    async def close(self) -> None:
        """Wait for what is under way."""
        await asyncio.gather(*self._sending)

    def _flush(self) -> None:
        waiting, self._waiting = self._waiting, []
        while waiting:
            size, count = 0, 0
            while count < len(waiting) and (not count or size + len(waiting[count][0]) <= self._most):
                size += len(waiting[count][0])
                count += 1
            task = self._loop.create_task(self._answer(waiting[:count]))
            self._sending.add(task)
            task.add_done_callback(self._sending.discard)
            del waiting[:count]

    async def _answer(self, asked: Sequence[tuple[Sequence[Q], asyncio.Future[list[A]]]]) -> None:
        try:
            answers = iter(await self._send([question for questions, _ in asked for question in questions]))
        except Exception as error:  # it belongs to those who asked
            for _, future in asked:
                if not future.done():
                    future.set_exception(error)
            return
        for questions, future in asked:
            found = [next(answers) for _ in questions]
            if not future.done():
                future.set_result(found)

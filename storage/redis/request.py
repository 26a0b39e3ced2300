"""Commands that travel together, from the moment at which somebody asks until their replies have come."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from time import monotonic
from typing import Any

from storage.errors import SuspectGeneration
from storage.redis.lookup import Question
from storage.redis.near import Near


class ReplyError(Exception):
    """What Redis answers to a command that it refuses."""


class Request:
    """Commands that travel together, and the futures of their replies.

    Attributes:
        deadline: when it fails, by the event loop's clock.
        began: when it was made, by `time.monotonic`.
    """

    __slots__ = (
        *("_error", "_joined", "_near"),
        *("began", "commands", "deadline", "future", "packed", "questions", "replies"),
    )

    def __init__(
        self,
        commands: Sequence[bytes],
        future: asyncio.Future[list[Any]],
        deadline: float,
        questions: Sequence[Question] = (),
        near: Near | None = None,
    ) -> None:
        """
        Args:
            commands: each as it travels.
            questions: what the commands ask, one for each: then replies are the values that they mean. None = they are
                given as they come.
            near: where these values are kept; None = nowhere.
        """
        self.packed = b"".join(commands)
        self.commands = len(commands)
        self.future = future
        self.deadline, self.began = deadline, monotonic()
        self.replies: list[Any] = []
        self.questions, self._near = questions, near
        self._error: Exception | None = None
        self._joined: list[asyncio.Future[list[Any]]] = []

    def join(self) -> asyncio.Future[list[Any]]:
        """A future of its replies for somebody else, who may cancel it."""
        future: asyncio.Future[list[Any]] = self.future.get_loop().create_future()
        self._joined.append(future)
        return future

    @property
    def is_wanted(self) -> bool:
        """Whether anybody still waits for it."""
        return not self.future.done() or not all(future.done() for future in self._joined)

    def take(self, reply: Any) -> bool:
        """The next reply; whether it was the last. What it means is stored now, in the order of what arrives."""
        replies = self.replies
        if self.questions:
            lookup, key, part = self.questions[len(replies)]
            near = self._near
            if near is not None:
                near.asked.pop((key, part), None)
            if type(reply) is not ReplyError:
                try:
                    reply = lookup.decode(reply)
                except Exception as error:  # a row that no writer of ours has left
                    self._error = SuspectGeneration(f"{key} is not as its writer leaves it: {error}")
                    self._error.__cause__ = error
                else:
                    if near is not None:
                        near.store(lookup, key, part, reply)
        replies.append(reply)
        return len(replies) == self.commands

    def drop(self) -> None:
        """Nobody waits for it any more, and it is not sent."""
        if self._near is not None:
            self._near.leave(self, self.questions)

    def finish(self, refused: Exception | None) -> None:
        """All replies have come, or this error instead."""
        error = refused or self._error
        if error is not None:
            self.drop()
        for future in (self.future, *self._joined):
            if future.done():
                continue
            if error is not None:
                future.set_exception(error)
            else:
                future.set_result(self.replies)

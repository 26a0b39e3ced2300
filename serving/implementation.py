"""Code that answers one endpoint type from storages."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from functools import cached_property, partial
from pathlib import Path
from textwrap import dedent
from typing import Any, Generic, TypeVar

from serving.content_hash import content_hash
from serving.dependencies import Dependency, dependencies_of
from serving.errors import EndpointRefused
from serving.threads import Threads
from storage import Catalogue

Request = TypeVar("Request")
Response = TypeVar("Response")
Ask = Callable[[Request], Awaitable[Response]]

THREADS = Threads()


class Implementation(Generic[Request, Response]):
    """A function and what it reads. An `async def` runs on the event loop, a plain `def` in a thread.

    Attributes:
        endpoint, name: of the endpoint type, and of the function.
        function: as it was written; may be called directly, with readers or with stand-ins for them.
    """

    def __init__(self, endpoint: str, function: Callable[..., Any]) -> None:
        self.endpoint, self.name = endpoint, function.__name__
        self.function = function

    @cached_property
    def dependencies(self) -> tuple[Dependency, ...]:
        """The storages it reads, by its parameters.

        Raises:
            EndpointRefused: a parameter is none; or a plain `def` has some, whose readers it could not await.
        """
        found = dependencies_of(self.function, self.title)
        if found and not inspect.iscoroutinefunction(self.function):
            raise EndpointRefused(f"{self.title} reads storages, which is awaited: make it an `async def`.")
        return found

    @cached_property
    def hash(self) -> str:
        """Identity of its code: see `content_hash`."""
        return content_hash(self.function, [item.factory for item in self.dependencies if item.factory is not None])

    @cached_property
    def code(self) -> str:
        """The function as it stands in its file, to be read soon after it was loaded; empty where it is in none."""
        try:
            return dedent(inspect.getsource(self.function))
        except (OSError, TypeError):  # made at run time, or typed into a prompt
            return ""

    @property
    def title(self) -> str:
        """As messages name it: "recommend/popular_now"."""
        return f"{self.endpoint}/{self.name}"

    @property
    def source(self) -> str:
        """The file it stands in, without its folder."""
        return Path(self.function.__code__.co_filename).name

    def bind(self, catalogue: Catalogue, threads: Threads = THREADS) -> Ask[Request, Response]:
        """An async callable from request to response, over the catalogue's storages.

        It is what the service asks and what a backtest asks: no deadline, no log, whatever the code raises.

        Args:
            threads: in which a plain `def` runs.

        Raises:
            EndpointRefused: a parameter is not a storage's reader.
            StorageMissing: a storage does not exist (yet); the message lists those that do.
        """
        readers = [dependency.reader(catalogue) for dependency in self.dependencies]
        function = self.function
        if inspect.iscoroutinefunction(function):
            return lambda request: function(request, *readers)
        return lambda request: threads.run(partial(function, request))

    @property
    def reads(self) -> tuple[str, ...]:
        """Names of the storages it reads, without technology and version. Raises as `dependencies` does."""
        return tuple(dependency.plain_name for dependency in self.dependencies)

    def titles(self, catalogue: Catalogue) -> tuple[str, ...]:
        """Titles of the storages that the names stand for now. Raises as `bind` does."""
        return tuple(dependency.title(catalogue) for dependency in self.dependencies)

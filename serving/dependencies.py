"""What an implementation reads, told by its parameters: the name is the storage's name, the annotation its format.

`popular: RankingReader` reads the ranking `popular`; `near: Annotated[RankingReader, "co_watched"]` reads `co_watched`;
`titles: RecordsReader[Film]` reads records as `Film`; `like_rate: Annotated[ParametersReader, like_model]` reads
parameters as the model that `like_model` makes. Looked at once, when the code is loaded.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, get_args, get_origin, get_type_hints

from schemas import Record
from serving.errors import EndpointRefused
from storage import Catalogue, ParametersReader, Reader, RecordsReader


@dataclass(frozen=True, slots=True)
class Dependency:
    """One storage that an implementation reads: by which reader, its name, for records the class of its rows, and for
    parameters what makes the model.

    The name may say more, as the catalogue takes it: "popular@3", "redis/ranking/popular".
    """

    kind: type[Reader]
    name: str
    record: type[Record] | None = None
    factory: Callable[[], Any] | None = None

    def reader(self, catalogue: Catalogue) -> Reader:
        """A reader that follows the storage's name from version to version.

        Raises:
            StorageMissing: no such storage; the message lists what exists.
            StorageError: it exists and cannot be read like this.
        """
        found = catalogue.reader(self.kind, self.name, record=self.record)
        return found if self.factory is None or not isinstance(found, ParametersReader) else found.making(self.factory)

    @property
    def plain_name(self) -> str:
        """The name alone, without technology and version."""
        return self.name.rpartition("/")[2].partition("@")[0]

    def title(self, catalogue: Catalogue) -> str:
        """The version that the name stands for now: "redis/ranking/popular@3". Raises as `reader` does."""
        return catalogue.find(self.kind.format, self.name).title


def dependencies_of(function: Callable[..., Any], owner: str) -> tuple[Dependency, ...]:
    """What the parameters behind the first ask for, in their order.

    Args:
        owner: whose function it is, for messages: "recommend/popular_now".

    Raises:
        EndpointRefused: a parameter is no storage's reader, or an annotation cannot be resolved.
    """
    parameters = list(inspect.signature(function).parameters.values())
    if not parameters:
        raise EndpointRefused(f"{owner} takes no parameter; its first one is the request.")
    wrong = [item.name for item in parameters if item.kind not in (item.POSITIONAL_ONLY, item.POSITIONAL_OR_KEYWORD)]
    if wrong:
        raise EndpointRefused(f"{owner} has the parameter {wrong[0]}, which has no place; write plain parameters.")
    try:
        hints = get_type_hints(function, include_extras=True)
    except (NameError, AttributeError, TypeError, SyntaxError) as error:
        raise EndpointRefused(
            f"{owner} has an annotation that cannot be resolved ({error}); import that name at the top of its module."
        ) from error
    return tuple(_dependency(item.name, hints.get(item.name), owner) for item in parameters[1:])


def _dependency(name: str, annotation: Any, owner: str) -> Dependency:
    notes: Sequence[Any] = ()
    if get_origin(annotation) is Annotated:
        annotation, *notes = get_args(annotation)
        name = next((note for note in notes if isinstance(note, str)), name)
    kind, arguments = get_origin(annotation) or annotation, get_args(annotation)
    if not (isinstance(kind, type) and issubclass(kind, Reader) and kind is not Reader):
        has = "has no type" if annotation is None else f"is of type {_named(annotation)}"
        raise EndpointRefused(f"{owner}: its parameter {name} {has}; use one of {', '.join(_kinds(Reader))}.")
    return Dependency(
        kind,
        name,
        record=_record(name, arguments, owner) if kind is RecordsReader else None,
        factory=next(filter(callable, notes), None) if kind is ParametersReader else None,
    )


def _record(name: str, arguments: Sequence[Any], owner: str) -> type[Record]:
    if len(arguments) == 1 and isinstance(arguments[0], type) and issubclass(arguments[0], Record):
        return arguments[0]
    raise EndpointRefused(f"{owner} reads the records {name}; name the class of its rows: RecordsReader[...].")


def _kinds(base: type[Reader]) -> list[str]:
    """The readers of all formats, in alphabetical order; a base that several of them share has no format itself."""
    below = {name for kind in base.__subclasses__() for name in _kinds(kind)}
    return sorted(below | {kind.__name__ for kind in base.__subclasses__() if kind.__dict__.get("format")})


def _named(annotation: Any) -> str:
    return getattr(annotation, "__name__", str(annotation))

"""What a user declares: endpoint types and implementations, refused with a sentence where they cannot be served."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, Any

import pytest

import storage
from schemas import Record
from serving import EndpointRefused, EndpointType
from storage import (
    Catalogue,
    CountersReader,
    Memory,
    MemoryReads,
    Parameters,
    ParametersReader,
    RankingReader,
    RecordsReader,
    Session,
    StorageMissing,
    UnitId,
)
from tests.serving.shop import NOON, Recommend, Recommendations, Shop, popular, recommend


class Film(Record):
    """A row."""

    item: str


@dataclass
class Question:
    """A request that is a dataclass."""

    user: str


def implemented(function: Any) -> Any:
    kind = recommend()
    kind.implementation(function)
    return next(iter(kind.implementations.values()))


@pytest.mark.parametrize(
    ("name", "request_type", "unit", "message"),
    [
        ("a/b", Recommend, "user", "'a/b' cannot be an endpoint type's name"),
        ("", Recommend, "user", "'' cannot be"),
        ("recommend", Recommend, "users", "has the unit 'users', no field of its request; there are: user, page, tags"),
        ("recommend", str, "user", "is no msgspec struct and no dataclass"),
        ("recommend", Film, "item", None),
    ],
)
def test_a_declaration_that_cannot_be_served_is_refused(
    name: str, request_type: type[Any], unit: str, message: str | None
) -> None:
    if message is None:
        EndpointType(name, request_type, Recommendations, unit=unit)
        return
    with pytest.raises(EndpointRefused, match=message):
        EndpointType(name, request_type, Recommendations, unit=unit)


def test_a_deadline_is_above_zero() -> None:
    with pytest.raises(EndpointRefused, match="deadline"):
        recommend(deadline=timedelta(0))


@pytest.mark.parametrize(
    ("default", "message"),
    [
        (object(), "has the default <object object.*which is no Recommendations"),
        (Recommend("u1"), "which is no Recommendations"),
        (Recommendations([object()]), "has a default that has no JSON"),  # type: ignore[list-item]
    ],
)
def test_a_default_that_could_not_be_answered_is_refused(default: Any, message: str) -> None:
    with pytest.raises(EndpointRefused, match=message):
        recommend(default=default)


def test_a_request_may_be_a_dataclass() -> None:
    assert EndpointType("ask", Question, Recommendations, unit="user").unit == "user"


async def test_a_decorated_function_stays_a_function() -> None:
    kind = recommend()

    @kind.implementation
    async def fixed(request: Recommend) -> Recommendations:
        return Recommendations([request.user])

    assert await fixed(Recommend("u1")) == Recommendations(["u1"])


def test_two_implementations_cannot_have_one_name() -> None:
    kind = popular()
    with pytest.raises(EndpointRefused, match="popular_now"):
        kind.implementation(kind.implementations["popular_now"].function)


def test_parameters_say_what_is_read() -> None:
    async def all_kinds(
        request: Recommend,
        popular: RankingReader,
        counts: CountersReader,
        titles: RecordsReader[Film],
        near: Annotated[RankingReader, "co_watched"],
    ) -> Recommendations:
        raise NotImplementedError

    found = [(item.kind.format, item.name, item.record) for item in implemented(all_kinds).dependencies]
    assert found == [
        ("ranking", "popular", None),
        ("counters", "counts", None),
        ("records", "titles", Film),
        ("ranking", "co_watched", None),
    ]


def rates() -> dict[str, float]:
    return {"b": 0.0}


async def test_parameters_are_read_as_the_model_that_the_annotations_factory_makes() -> None:
    async def rated(
        request: Recommend,
        plain: Annotated[ParametersReader, "rates"],
        rates: Annotated[ParametersReader, rates],
        named: Annotated[ParametersReader, "memory/parameters/rates@1", lambda: {"other": 1.0}],
    ) -> Recommendations:
        return Recommendations([*await plain.get(), *await rates.get(), *sorted(await named.get())])

    shop = Shop()
    form = Parameters("rates", rates, technology="memory")
    shop.memory.declare(form.describe("rating", 1, 1, "clicks"))
    session = Session(lambda addresses: [None] * len(addresses))
    bound = form.bind(session)
    session.begin(tuple)
    bound.value["b"] = 2.0
    claim = shop.memory.claim(UnitId("rating", 1, 1, "clicks", 0), "owner")
    shop.memory.commit(claim, None, 1, session.take(), None)
    await shop.catalogue.refresh()
    implementation = implemented(rated)
    assert [item.factory is None for item in implementation.dependencies] == [True, False, False]
    assert [item.name for item in implementation.dependencies] == ["rates", "rates", "memory/parameters/rates@1"]
    assert await implementation.bind(shop.catalogue)(Recommend("u1")) == Recommendations(["b", "b", "b", "other"])


def nothing() -> None: ...
def star(request: Recommend, *popular: RankingReader) -> None: ...
def keyword(request: Recommend, *, popular: RankingReader) -> None: ...
def untyped(request: Recommend, popular) -> None: ...  # type: ignore[no-untyped-def]
def odd(request: Recommend, popular: int) -> None: ...
def bare(request: Recommend, titles: RecordsReader) -> None: ...  # type: ignore[type-arg]
def unresolved(request: Recommend, popular: Nowhere) -> None: ...  # type: ignore[name-defined]  # noqa: F821
def misspelt(request: Recommend, popular: storage.RankingReeder) -> None: ...
def subscripted(request: Recommend, popular: RankingReader[int]) -> None: ...  # type: ignore[type-arg]
def prose(request: Recommend, popular: "what is popular") -> None: ...  # type: ignore[valid-type]  # noqa
def plain(request: Recommend, popular: RankingReader) -> None: ...


EVERY = [f"{form}Reader" for form in ("Counters", "Documents", "Parameters", "Ranking", "Records", "Vectors")]


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (nothing, "recommend/nothing takes no parameter"),
        (star, "has the parameter popular, which has no place"),
        (keyword, "has the parameter popular, which has no place"),
        (untyped, "its parameter popular has no type; use one of " + ", ".join(EVERY)),
        (odd, "its parameter popular is of type int; use one of"),
        (bare, r"name the class of its rows: RecordsReader\[...\]"),
        (unresolved, "has an annotation that cannot be resolved"),
        (misspelt, "has an annotation that cannot be resolved.*RankingReeder"),
        (subscripted, "has an annotation that cannot be resolved"),
        (prose, "has an annotation that cannot be resolved"),
        (plain, "make it an `async def`"),
    ],
)
def test_a_parameter_that_is_no_reader_is_refused(function: Any, message: str) -> None:
    with pytest.raises(EndpointRefused, match=message):
        _ = implemented(function).dependencies


async def test_an_implementation_is_bound_once_and_asked_as_the_service_asks_it() -> None:
    shop = Shop()
    shop.learner()
    shop.learned(a=2.0, b=1.0)
    await shop.catalogue.refresh()

    ask = popular().implementations["popular_now"].bind(shop.catalogue)

    assert await ask(Recommend("u1")) == Recommendations(["a", "b"])
    shop.learned(b=5.0)
    assert await ask(Recommend("u1")) == Recommendations(["b", "a"])


async def test_a_missing_storage_refuses_the_binding_and_names_what_exists() -> None:
    shop = Shop()
    shop.learner("other")
    await shop.catalogue.refresh()
    with pytest.raises(StorageMissing, match=r"ranking/popular does not exist.*memory/ranking/other@1"):
        popular().implementations["popular_now"].bind(shop.catalogue)


async def test_a_version_and_a_technology_may_be_named() -> None:
    async def pinned(request: Recommend, near: Annotated[RankingReader, "memory/ranking/popular@1"]) -> Recommendations:
        return Recommendations([item for item, _ in await near.top("all", 10)])

    shop = Shop()
    for version in (1, 2):
        shop.learner(version=version)
        shop.learned(NOON, "popular", version, **{f"v{version}": 1.0})
    await shop.catalogue.refresh()
    implementation = implemented(pinned)
    assert implementation.titles(shop.catalogue) == ("memory/ranking/popular@1",)
    assert implementation.reads == ("popular",)
    assert await implementation.bind(shop.catalogue)(Recommend("u1")) == Recommendations(["v1"])


def test_binding_knows_nothing_before_the_catalogue_was_read() -> None:
    with pytest.raises(StorageMissing, match="none yet"):
        popular().implementations["popular_now"].bind(Catalogue({"memory": MemoryReads(Memory())}))

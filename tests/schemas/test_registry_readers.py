"""The registry refuses what somebody who reads the topic now could not read, and says who reads what."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette

from schemas import (
    EventType,
    IncompatibleSchema,
    MemoryRecordLog,
    Registry,
    RegistryUnavailable,
    registry_app,
)
from schemas.compatibility import CompatibilityLevel
from schemas.graph import Graph
from schemas.readers import Reader, Readers, Reading
from schemas.registry_keeper import RegistryKeeper
from tests.listening import listening


def record(*names: str, **defaults: Any) -> dict[str, Any]:
    fields: list[dict[str, Any]] = [{"name": name, "type": "string"} for name in names]
    fields += [{"name": name, "type": "string", "default": value} for name, value in defaults.items()]
    return {"type": "record", "name": "R", "fields": fields}


def text(*names: str, **defaults: Any) -> str:
    return json.dumps(record(*names, **defaults))


@contextmanager
def served(app: Starlette) -> Iterator[str]:
    """The address of a registry's app."""
    app.state.stopping = lambda: None
    with listening(app) as server:
        yield f"http://127.0.0.1:{server.config.port}"


def test_a_schema_that_a_reader_cannot_read_is_refused_with_what_hangs_on_it_but_where_it_is_forced() -> None:
    readers = Readers()
    readers.learn(
        "shop", [Reader("likes", 2, "views", ("redis/ranking/likes",), product="shop", schema=record("user"))]
    )
    readers.serve("shop", [Reading("recommend", "popular", ("redis/ranking/likes",))])
    registry = Registry(MemoryRecordLog(), readers)
    registry.register("views-value", text("user"))
    broken = "views.user is not written and has no default: likes@2 of shop could not read on .*recommend .popular."
    with pytest.raises(IncompatibleSchema, match=broken):
        registry.register("views-value", text(item=""))  # reads what was written before, as the level asks
    assert [version.version for version in registry.versions("views-value")] == [1]
    assert len(registry.check("views-value", text(item=""))) == 1
    assert registry.check("views-value", text(item=""), readers=False) == []
    assert registry.check("other-value", text(item="")) == []

    registry.register("views-value", text(item=""), readers=False)
    known = registry.register("views-value", text(item=""), readers=False)
    assert registry.register("views-value", text(item="")) == known
    registry.set_level(CompatibilityLevel.NONE, "views-value")
    assert registry.register("views-value", text("another"))


def test_over_http_a_broken_reader_is_a_409_that_names_it_and_a_client_hears_it() -> None:
    readers = Readers()
    readers.learn("shop", [Reader("likes", 2, "views", product="shop", schema=record("user"))])
    with (
        served(registry_app(Registry(MemoryRecordLog(), readers))) as address,
        closing(RegistryKeeper(address)) as client,
    ):
        client.register(EventType("views", record("user")))
        wanted = EventType("views", record(item=""))
        answer = httpx.post(f"{address}/subjects/views-value/versions", json={"schema": wanted.text})
        assert (answer.status_code, answer.json()["error_code"]) == (409, 409)
        assert "likes@2 of shop could not read on" in answer.json()["message"]
        with pytest.raises(IncompatibleSchema, match="likes@2 of shop could not read on"):
            client.register(wanted)
        documents = client.readers()
        assert documents is not None
        assert Graph.of(documents).breaks("views", wanted.schema)
        assert client.check(wanted, readers=False) == []
        client.register(wanted, readers=False)
        assert [version.version for version in client.versions("views-value")] == [1, 2]
        assert (client.versions("none-value"), client.level("views-value")) == ([], "BACKWARD")


def test_what_is_refused_although_readers_do_not_count_is_not_said_to_break_them() -> None:
    readers = Readers()
    readers.learn("shop", [Reader("likes", 2, "views", product="shop", schema=record("user"))])
    with (
        served(registry_app(Registry(MemoryRecordLog(), readers))) as address,
        closing(RegistryKeeper(address)) as client,
    ):
        client.register(EventType("views", record("user")))
        with pytest.raises(IncompatibleSchema) as refused:
            client.register(EventType("views", record("item")), readers=False)
        assert "item is not written" in str(refused.value)
        assert "likes" not in str(refused.value)


def test_another_registry_knows_no_readers_and_one_that_is_away_is_said_to_be() -> None:
    app = registry_app(Registry(MemoryRecordLog()))
    app.router.routes[:] = [route for route in app.routes if getattr(route, "path", "") != "/readers"]
    with served(app) as address, closing(RegistryKeeper(address)) as client:
        assert client.readers() is None
    with closing(RegistryKeeper("http://127.0.0.1:1")) as client, pytest.raises(RegistryUnavailable):
        client.readers()

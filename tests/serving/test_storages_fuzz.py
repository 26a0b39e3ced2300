"""Whatever is sent to the addresses of storages, the answer is one that says whose fault it is: never 500."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Iterator
from urllib.parse import quote

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.applications import Starlette

from serving.storages.routes import StoragesRoutes
from serving.storages.storages import Storages
from storage import Catalogue, Memory, MemoryReads, versions
from storage.formats.blank import OPTIONS

EXAMPLES = int(os.environ.get("MILLRACE_EXAMPLES", "200"))
ODD = [
    "",
    "\x00",
    "\ud800",
    "é",
    "a\uff11",
    "٣",
    "1" * 5_000,
    "-1",
    "1e400",
    "NaN",
    "999999999w",
    "9999999d",
    "@",
    "../..",
]
text = st.one_of(st.sampled_from(ODD), st.text(max_size=20))
scalar = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), text, st.sampled_from([2**63, 2**64, -(2**70), 10**400])
)
value = st.recursive(
    scalar, lambda one: st.lists(one, max_size=3) | st.dictionaries(text, one, max_size=3), max_leaves=6
)
name = st.one_of(st.sampled_from(["popular", "films", "a" * 101, "popular@1", "popular@" + "1" * 5_000]), text)
format = st.sampled_from([*OPTIONS, "graph"])
field = st.fixed_dictionaries({"name": text, "type": st.sampled_from(["int", "string", ["null", "R"], "x"]) | value})
schema = st.one_of(
    value,
    st.builds(
        lambda fields, more: {"type": "record", "name": "R", "fields": fields, **more},
        st.lists(field, max_size=3),
        st.dictionaries(st.sampled_from(["doc", "namespace", "aliases", "x", "size"]), value, max_size=2),
    ),
)
option = st.sampled_from([option.name for options in OPTIONS.values() for option in options])
new = st.fixed_dictionaries(
    {},
    optional={
        "options": st.dictionaries(option, value, max_size=2) | value,
        "schema": schema | schema.map(json.dumps),
        "made_by": value,
    },
)
body = st.one_of(new.map(lambda one: json.dumps(one).encode()), value.map(lambda one: json.dumps(one).encode()))
raw = st.one_of(body, st.binary(max_size=40), st.sampled_from([b'{"made_by": "\xff\xfe"}', b"[" * 5_000]))
version = st.one_of(value, st.sampled_from([1, 2, 0, 2**53]))
request = st.one_of(
    st.tuples(st.just("PUT"), st.just(""), raw),
    st.tuples(st.sampled_from(["GET", "DELETE"]), st.sampled_from(["", "?force=1"]), st.just(b"")),
    st.tuples(
        st.just("GET"), st.builds(lambda key, size: f"/rows/{_quoted(key)}?size={_quoted(size)}", text, text), raw
    ),
    st.tuples(st.just("POST"), st.just("/rollback"), raw),
    st.tuples(
        st.just("POST"), st.just("/switch"), version.map(lambda one: json.dumps({"version": one}).encode()) | raw
    ),
)


Asked = list[tuple[tuple[str, str, bytes], str, str]]


def _quoted(part: str) -> str:
    return quote(part.encode("utf-8", "surrogatepass"), safe="")


class Stage:
    """The addresses of storages over one memory."""

    def __init__(self) -> None:
        self.memory = Memory()
        catalogue = Catalogue({"memory": MemoryReads(self.memory)})
        routes = StoragesRoutes(Storages(catalogue, {"memory": self.memory}, catalogue.refresh), dict).routes()
        transport = httpx.ASGITransport(Starlette(routes=routes))
        self._client = httpx.AsyncClient(transport=transport, base_url="http://shop")

    def clear(self) -> None:
        for item in self.memory.storages():
            versions.delete(self.memory, *item.place, item.version, force=True)

    async def ask(self, method: str, address: str, content: bytes = b"") -> None:
        answer = await self._client.request(method, address, content=content)
        assert answer.status_code < 500, (method, address[:200], content[:500], answer.text[:500])

    async def answers(self, asked: Asked) -> None:
        for (method, rest, content), kind, called in asked:
            address = f"/storages/memory/{kind}/{_quoted(called)}"
            await self.ask(method, address + rest, content)
            await self.ask("GET", address)
            await self.ask("GET", "/storages")


@pytest.fixture(scope="module")
def stage() -> Stage:
    return Stage()


@pytest.fixture(scope="module")
def runner() -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as runner:
        yield runner


@settings(max_examples=EXAMPLES, suppress_health_check=list(HealthCheck))
@given(st.lists(st.tuples(request, format, name), min_size=1, max_size=6))
def test_no_request_is_answered_as_a_fault_of_the_service(stage: Stage, runner: asyncio.Runner, asked: Asked) -> None:
    stage.clear()
    runner.run(stage.answers(asked))

"""The Schemas page in a real browser, over a registry: who reads which field, and what each version changed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from typing import Any

import httpx
import pytest
from playwright.sync_api import Page, expect

from schemas import EventType, MemoryRecordLog, Registry, registry_app
from schemas.readers import Reader, Readers
from schemas.registry_keeper import RegistryKeeper
from serving import Watched
from serving.registered import Registered
from serving.telling import Telling
from tests.browser.conftest import Serve
from tests.browser.console import opened
from tests.serving.shop import Shop
from tests.waiting import until


def click(*fields: tuple[str, Any] | dict[str, Any], name: str = "Click") -> dict[str, Any]:
    written = [field if isinstance(field, dict) else {"name": field[0], "type": field[1]} for field in fields]
    return {"type": "record", "name": name, "fields": written, "millrace.key": "user"}


USER, ITEM = ("user", "string"), ("item", "string")
AT = ("at", {"type": "long", "logicalType": "timestamp-micros"})
DECISION = {"name": "decision", "type": ["null", "string"], "default": None}
LINE = click(("price", "double"), ("count", "int"), name="Line")
LINES = {"name": "lines", "type": {"type": "array", "items": LINE}, "default": []}
CITY = {"name": "city", "type": "string", "default": ""}


@pytest.fixture
def readers() -> Readers:
    """Two learners of clicks, of two products: one declares all of it but the lines' counts, the other two fields, of
    which one is not written any more."""
    readers = Readers()
    part = ("lines", {"type": "array", "items": click(("price", "double"), name="Line")})
    whole, some = click(USER, ITEM, AT, DECISION, part), click(USER, CITY)
    readers.learn("shop", [Reader("popular", 2, "clicks", ("memory/ranking/popular",), schema=whole)])
    readers.learn("travel", [Reader("towns", 1, "clicks", ("memory/counters/towns",), ("trips",), schema=some)])
    return readers


@pytest.fixture
def registry(serve: Serve, readers: Readers) -> Iterator[RegistryKeeper]:
    """A registry with two versions of clicks, of which the newer is read by all, and a topic that nobody reads."""
    app = registry_app(Registry(MemoryRecordLog(), readers))
    app.state.stopping = lambda: None
    with closing(RegistryKeeper(serve(app))) as client:
        client.register(EventType("clicks", click(USER, ITEM, AT, CITY, ("old", ["null", "int"]))), readers=False)
        client.register(EventType("clicks", click(USER, ITEM, AT, DECISION, LINES)))
        client.register(EventType("views", click(USER)))
        yield client


@pytest.fixture
def base(serve: Serve, registry: RegistryKeeper, readers: Readers) -> str:
    shop = Shop()
    shop.learner()
    watched = Watched(
        registered=Registered(registry, readers.documents, "127.0.0.1:9092"), told=Telling(readers, "shop")
    )
    base = serve(shop.service(watched=watched).app())
    until(lambda: "service/shop" in readers.documents())
    return base


def test_an_engineer_sees_who_reads_which_field_what_nobody_reads_and_what_hangs_on_it(page: Page, base: str) -> None:
    opened(page, base, "schemas")
    row = page.locator("#list tbody tr", has_text="clicks")
    expect(row).to_contain_text("popular, towns")
    expect(row).to_contain_text("1 field nobody reads")
    expect(page.locator("#list tbody tr", has_text="views")).to_contain_text("nobody")
    page.get_by_role("link", name="clicks", exact=True).click()

    fields = page.get_by_role("region", name="Who reads which field")

    def cells(name: str) -> list[str]:
        found = fields.get_by_role("row").filter(has=page.get_by_role("rowheader", name=name, exact=True))
        expect(found).to_have_count(1)
        return [text.strip() for text in found.get_by_role("cell").all_inner_texts()]

    assert cells("item") == ["string", "reads", "—"]
    assert cells("at") == ["timestamp-micros", "reads", "—"]
    assert cells("lines[].count") == ["int nobody reads it", "—", "—"]
    assert cells("city") == ["not written", "—", "its default"]
    expect(page.get_by_role("region", name="What hangs on it")).to_contain_text("recommend (popular_now)")
    expect(page.get_by_role("region", name="What hangs on it")).to_contain_text("emits trips, folded by nobody")
    expect(page.locator("#chosen")).to_contain_text("must keep to BACKWARD, and be read by all who read it now")


def test_versions_say_what_each_changed_and_show_their_schema(page: Page, base: str) -> None:
    opened(page, base, "schemas?subject=clicks-value")
    newest = page.locator("#version-2")
    expect(newest).to_contain_text("added decision string or null = null")
    expect(newest).to_contain_text("added lines[].price double")
    expect(newest).to_contain_text("removed old int or null")
    expect(page.locator("#version-1")).to_contain_text("The first that is kept.")
    newest.get_by_text("Schema", exact=True).click()
    expect(newest.locator("pre")).to_contain_text('"logicalType": "timestamp-micros"')


def test_what_was_forced_says_who_cannot_read_it(page: Page, base: str, registry: RegistryKeeper) -> None:
    registry.register(EventType("clicks", click(ITEM, AT, DECISION, LINES)), readers=False)
    opened(page, base, "schemas?subject=clicks-value")
    expect(page.locator(".note.bad")).to_contain_text(["popular@2 of shop could not read", "towns@1 of travel"])
    expect(page.locator("#list tbody tr", has_text="clicks")).to_contain_text("2 readers cannot read it")


def test_a_registry_that_is_away_is_said_and_the_page_and_the_document_stay(
    page: Page, serve: Serve, readers: Readers
) -> None:
    with closing(RegistryKeeper("http://127.0.0.1:1")) as client:
        base = serve(Shop().service(watched=Watched(registered=Registered(client, readers.documents))).app())
        opened(page, base, "schemas")
        expect(page.get_by_role("alert")).to_contain_text("does not answer")
        answer = httpx.get(f"{base}/asyncapi.json")
        assert (answer.status_code, answer.json()["type"]) == (503, "urn:millrace:problem:registry-away")


def test_the_service_gives_the_asyncapi_document(base: str) -> None:
    document = httpx.get(f"{base}/asyncapi.json").raise_for_status().json()
    assert document["asyncapi"] == "3.0.0"
    assert set(document["channels"]) == {"clicks", "views"}
    assert document["operations"]["receive_shop_popular_2"]["action"] == "receive"
    assert "recommend (popular_now)" in document["operations"]["receive_shop_popular_2"]["description"]

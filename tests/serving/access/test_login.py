"""Sessions of the console's readers: how one begins and ends, and what it is good for."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from serving.access.sessions import MOST, Sessions
from tests.serving.access.keyed import HTML, Keyed, logged_in

OWN = {"origin": "http://shop", "sec-fetch-site": "same-origin"}
CREATE = {"do": "create", "technology": "memory", "format": "counters", "name": "visits"}
FORM = {"content-type": "application/x-www-form-urlencoded"}
USER = {"user": "u1"}


@pytest.fixture
def keyed(tmp_path: Path) -> Keyed:
    return Keyed(tmp_path, console="admin", shop="answer emit")


@pytest.fixture
async def client(keyed: Keyed) -> AsyncIterator[httpx.AsyncClient]:
    async with keyed.running() as client:
        yield client


def token(answer: httpx.Response) -> str:
    [found, *others] = re.findall(r'name="csrf-token" value="([^"]+)"', answer.text)
    assert set(others) <= {found}
    return str(found)


async def test_a_key_with_the_scope_admin_begins_a_session(keyed: Keyed, client: httpx.AsyncClient) -> None:
    answer = await logged_in(keyed, client)
    assert (answer.status_code, answer.headers["location"]) == (303, "/console/storages")
    cookie = answer.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    assert "max-age=43200" in cookie
    assert keyed.secrets["console"].lower() not in cookie
    page = await client.get("/console/storages", headers=HTML)
    assert page.status_code == 200
    assert "Logged in with the key console" in page.text


async def test_over_tls_the_cookie_is_for_tls_alone(keyed: Keyed) -> None:
    transport = httpx.ASGITransport(keyed.service.app())
    async with httpx.AsyncClient(transport=transport, base_url="https://shop") as client:
        assert "; secure" in (await logged_in(keyed, client)).headers["set-cookie"].lower()


async def test_another_key_begins_none_and_is_told_why(keyed: Keyed, client: httpx.AsyncClient) -> None:
    shop = keyed.secrets["shop"]
    for key, status in (("mk_x", 401), ("", 401), ("%00%ff", 401), (shop, 403)):
        answer = await client.post("/console/login", content=f"key={key}", headers=FORM)
        assert answer.status_code == status
        assert "set-cookie" not in answer.headers
        assert 'id="wrong">' + ("This key is not" if status == 401 else "The key shop has not the scope") in answer.text
        assert shop not in answer.text


async def test_a_log_in_leads_to_no_other_site(keyed: Keyed, client: httpx.AsyncClient) -> None:
    for to in ("https://evil.example", "//evil.example", "/\\evil.example", "/console/../x", "", "x"):
        answer = await client.post("/console/login", data={"key": keyed.secrets["console"], "to": to})
        assert answer.headers["location"] == "/console/flow"


async def test_a_page_of_another_site_logs_nobody_in(keyed: Keyed, client: httpx.AsyncClient) -> None:
    form = {"key": keyed.secrets["console"]}
    answer = await client.post("/console/login", data=form, headers={"origin": "https://evil.example"})
    assert answer.status_code == 403
    assert "set-cookie" not in answer.headers


async def test_a_form_is_taken_with_the_pages_token_from_this_very_origin(
    keyed: Keyed, client: httpx.AsyncClient
) -> None:
    await logged_in(keyed, client)
    page = await client.get("/console/storages?ask=create", headers=HTML)
    form = {**CREATE, "csrf-token": token(page)}
    refused: list[tuple[dict[str, str], dict[str, str]]] = [
        (CREATE, OWN),
        ({**CREATE, "csrf-token": "wrong"}, OWN),
        ({**CREATE, "csrf-token": ""}, OWN),
        (form, {}),
        (form, {"origin": "https://evil.example"}),
        (form, {"origin": "null"}),
        (form, {"sec-fetch-site": "same-site"}),
        (form, {"sec-fetch-site": "none"}),
    ]
    for fields, headers in refused:
        answer = await client.post("/console/storages", data=fields, headers=headers)
        assert answer.status_code == 403, (fields, headers)
    assert keyed.shop.memory.storages() == []
    done = await client.post("/console/storages", data=form, headers=OWN)
    assert done.status_code == 303
    assert [item.name for item in keyed.shop.memory.storages()] == ["visits"]


async def test_each_form_of_a_page_carries_the_token_and_none_does_without_a_session(
    keyed: Keyed, client: httpx.AsyncClient
) -> None:
    await logged_in(keyed, client)
    page = (await client.get("/console/storages?ask=create", headers=HTML)).text
    assert len(re.findall(r'<form[^>]*method="post"', page)) == page.count('name="csrf-token"') == 2
    script = await client.get("/console/storages?ask=create", headers=keyed.bearer("console"))
    assert 'name="csrf-token"' not in script.text


async def test_pages_of_a_session_ask_and_emit_and_change_nothing_without_the_token(
    keyed: Keyed, client: httpx.AsyncClient
) -> None:
    await logged_in(keyed, client)
    assert (await client.post("/v1/recommend", json=USER, headers=OWN)).status_code == 200
    assert (await client.post("/v1/recommend", json=USER)).status_code == 403
    storage = "/storages/memory/counters/visits"
    assert (await client.put(storage, headers=OWN)).status_code == 403
    page = await client.get("/console/storages?ask=create", headers=HTML)
    assert (await client.put(storage, headers={**OWN, "x-csrf-token": token(page)})).status_code == 201


async def test_logging_out_ends_the_session_whoever_has_its_cookie(keyed: Keyed, client: httpx.AsyncClient) -> None:
    await logged_in(keyed, client)
    stolen = dict(client.cookies)
    page = await client.get("/console/flow", headers=HTML)
    answer = await client.post("/console/logout", data={"csrf-token": token(page)}, headers=OWN)
    assert (answer.status_code, answer.headers["location"]) == (303, "/console/login")
    client.cookies.update(stolen)
    assert (await client.get("/console/flow")).status_code == 401


async def test_a_session_ends_by_itself(keyed: Keyed, client: httpx.AsyncClient) -> None:
    await logged_in(keyed, client)
    keyed.now += timedelta(hours=12)
    assert (await client.get("/console/flow")).status_code == 401


@pytest.mark.parametrize("end", ["revoked", "rotated"])
async def test_a_session_ends_with_the_secret_that_it_began_with(
    keyed: Keyed, client: httpx.AsyncClient, end: str
) -> None:
    await logged_in(keyed, client)
    if end == "revoked":
        keyed.revoke("console")
    else:
        keyed.rotate("console", timedelta(0))
    await keyed.access.look()
    assert (await client.get("/console/flow")).status_code == 401


async def test_what_is_streamed_to_a_session_ends_with_it(keyed: Keyed, client: httpx.AsyncClient) -> None:
    """The client's transport collects an answer until it is complete: it would not come back from an open stream."""
    await logged_in(keyed, client)
    streaming = asyncio.create_task(client.get("/console/flow/live"))
    done, _ = await asyncio.wait((streaming,), timeout=0.3)
    assert not done
    keyed.revoke("console")
    await keyed.access.look()
    async with asyncio.timeout(30):
        assert (await streaming).status_code == 200


def test_sessions_are_bounded_and_the_oldest_goes_first() -> None:
    sessions = Sessions(lambda: 0.0)
    cookies = [sessions.start(b"id", b"digest").encode() for _ in range(MOST + 1)]
    assert sessions.find(cookies[0]) is None
    assert sessions.find(cookies[1]) is not None


async def test_without_keys_there_is_nothing_to_log_in_to(tmp_path: Path) -> None:
    keyed: Any = Keyed(tmp_path)
    async with keyed.running() as client:
        answer = await client.get("/console/login")
        assert (answer.status_code, answer.headers["location"]) == (303, "/console/flow")
        assert "Log out" not in (await client.get("/console/flow")).text

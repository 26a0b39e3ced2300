"""Live services show their keys: from the call, or from the environment."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from serving import AnswerRefused, Client
from serving.api_key import VARIABLE, authorization
from serving.errors import ServingError
from tests.serving.access.keyed import Keyed
from tests.serving.shop import Goal, Recommend, Recommendations

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)


async def test_a_client_asks_and_rewards_with_its_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    keyed = Keyed(tmp_path, shop="answer emit")
    service = keyed.shop.service(access=keyed.access, goals=[Goal()])
    recommend = keyed.shop.types[0]
    async with keyed.running(service) as http:
        async with Client("http://shop", http=http, key=keyed.secrets["shop"]) as client:
            answer = await client.ask(recommend, Recommend("u1"))
            await client.reward(answer.decision, "click", user="u1", item="a", at=NOW)
        monkeypatch.setenv(VARIABLE, keyed.secrets["shop"])
        async with Client("http://shop", http=http) as client:
            assert (await client.ask(recommend, Recommend("u1"))).decision is not None
        monkeypatch.delenv(VARIABLE)
        async with Client("http://shop", http=http) as client:
            with pytest.raises(AnswerRefused, match="401 It is not known who asks: This needs a key"):
                await client.ask(recommend, Recommend("u1"))
    assert [value["item"] for _, value in keyed.shop.kafka.delivered] == ["a"]


async def test_asked_too_often_a_client_answers_with_its_own_default(tmp_path: Path) -> None:
    keyed = Keyed(tmp_path)
    keyed.make("slow", "answer", rate="1/h")
    await keyed.access.look()
    async with keyed.running() as http, Client("http://shop", http=http, key=keyed.secrets["slow"]) as client:
        recommend = keyed.shop.types[0]
        assert (await client.ask(recommend, Recommend("u1"))).fallback != "local"
        answer = await client.ask(recommend, Recommend("u1"), default=Recommendations(["own"]))
    assert (answer.value, answer.fallback) == (Recommendations(["own"]), "local")
    assert "429 Asked too often" in (answer.reason or "")


def test_a_key_that_cannot_be_sent_is_refused_and_not_shown() -> None:
    for key in ("mk_ a", "a\r\nhost: x", "é", "x" * 501):
        with pytest.raises(ServingError) as refused:
            authorization(key)
        assert key not in str(refused.value)
    assert authorization(" mk_a\n") == {"authorization": "Bearer mk_a"}
    assert authorization("") == {}

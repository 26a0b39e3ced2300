"""Find event shows what is in the topics of its page, and nothing else that Kafka holds."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace

import pytest

from schemas import Codec, RegistryClient
from serving.console.finding import Finding, Shown
from serving.measurements.flow import find, flow
from streams import Kafka, Looking, Producer, Topics
from tests.serving.measurements.test_flow import FACTS, running


@pytest.fixture
def registry(registry_url: str) -> Iterator[RegistryClient]:
    with closing(RegistryClient(registry_url)) as client:
        yield client


@pytest.fixture
def topic(kafka: str, registry: RegistryClient) -> str:
    """One with an event, of which no page knows."""
    name = f"inner-{uuid.uuid4().hex}"
    with closing(Topics(Kafka(kafka))) as topics, closing(Producer(Kafka(kafka), registry)) as producer:
        topics.ensure(name, 1)
        producer.send_bytes(name, b"key", b"kept by the platform")
        producer.flush()
    return name


def test_an_event_of_a_topic_that_the_page_does_not_have_is_not_shown(
    kafka: str, registry: RegistryClient, topic: str
) -> None:
    finding, picture = Finding(Looking(Kafka(kafka), Codec(registry))), flow(running(), FACTS)
    assert picture is not None
    found = find(picture, topic, 0, 0)

    assert asyncio.run(finding.about(picture, found)) == {}

    known = replace(picture, topics=(*picture.topics, replace(picture.topics[0], name=topic)))
    shown = asyncio.run(finding.about(known, found))["shown"]
    assert isinstance(shown, Shown)
    assert "kept by the plat" in shown.dump

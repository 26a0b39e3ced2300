"""Which member of which consumer group reads a partition now, and whom a group has."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import Future
from typing import Any

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from streams.errors import KafkaUnavailable
from streams.kafka import LOGGER, Kafka, log_client_error, said


def assignments(kafka: Kafka, prefix: str, timeout: float = 5.0) -> Mapping[tuple[str, int], list[str]]:
    """The members that have each partition, as `group/member`, of the groups whose names begin so; without the prefix.

    A partition that is about to change its member may have none. Creates nothing; blocks for two answers of Kafka's.

    Raises:
        KafkaUnavailable: no broker answers.
    """
    client = AdminClient(kafka.client({}, {"error_cb": log_client_error}), logger=LOGGER)
    listed = _answer(client.list_consumer_groups(request_timeout=timeout), timeout)
    groups = [item.group_id for item in listed.valid if item.group_id.startswith(prefix)]
    found: dict[tuple[str, int], list[str]] = {}
    answers = client.describe_consumer_groups(groups, request_timeout=timeout) if groups else {}
    for group, answer in sorted(answers.items()):
        for member in _answer(answer, timeout).members:
            name = f"{group.removeprefix(prefix)}/{member.group_instance_id or member.client_id}"
            for place in member.assignment.topic_partitions:
                found.setdefault((place.topic, place.partition), []).append(name)
    return found


def members(kafka: Kafka, group: str, timeout: float = 5.0) -> set[str]:
    """The static names of a group's members; one that has died is among them until its session has passed. Blocks.

    Raises:
        KafkaUnavailable: no broker answers.
    """
    client = AdminClient(kafka.client({}, {"error_cb": log_client_error}), logger=LOGGER)
    [answer] = client.describe_consumer_groups([group], request_timeout=timeout).values()
    return {member.group_instance_id for member in _answer(answer, timeout).members if member.group_instance_id}


def _answer(answer: Future[Any], timeout: float) -> Any:
    try:
        return answer.result(timeout + 1)
    except KafkaException as failure:
        raise said(failure.args[0], "Asking for consumer groups") from failure
    except TimeoutError as error:
        raise KafkaUnavailable("Asking for consumer groups: Kafka did not answer.") from error

"""Which servers the settings ask of this machine. Pure."""

from __future__ import annotations

import getpass
from collections.abc import Mapping
from dataclasses import fields
from urllib.parse import SplitResult, urlsplit

from millrace.settings import Settings
from millrace.stack.cassandra import CassandraServer
from millrace.stack.errors import StackError
from millrace.stack.kafka import KafkaServer
from millrace.stack.postgresql import PostgresqlServer
from millrace.stack.redis import RedisServer
from millrace.stack.registry import RegistryServer
from millrace.stack.search import SearchServer
from millrace.stack.server import Server
from schemas.redaction import redacted

LOOPBACK = ("127.0.0.1", "localhost")  # our parts do not listen on ::1


def servers(settings: Settings) -> dict[str, Server]:
    """The parts to run here, by name. One whose address is on another machine, or secured, is not ours to run.

    Raises:
        StackError: an address has no number for its port.
    """
    found: dict[str, Server] = {}
    kafka = urlsplit(f"//{settings.kafka}") if "," not in settings.kafka else None
    if kafka is not None and kafka.hostname in LOOPBACK and not settings.kafka_options:
        port = _port(kafka, 9092, "kafka")
        found["kafka"] = KafkaServer(settings.state_dir / "kafka", port, settings.kafka_controller_port)
    redis = urlsplit(settings.redis_url)
    if redis.scheme == "redis" and redis.hostname in LOOPBACK and not redis.password:
        found["redis"] = RedisServer(settings.state_dir / "redis", _port(redis, 6379, "redis_url"))
    relational = urlsplit(settings.relational_url)
    if relational.scheme == "postgresql" and relational.hostname in LOOPBACK and not relational.password:
        folder, port = settings.state_dir / "postgresql", _port(relational, 5432, "relational_url")
        user = relational.username or getpass.getuser()  # as libpq has it
        found["postgresql"] = PostgresqlServer(folder, port, user, relational.path.strip("/") or user)
    cassandra = urlsplit(settings.cassandra_url)
    alone = cassandra.scheme == "cassandra" and "," not in cassandra.netloc
    if alone and cassandra.hostname in LOOPBACK and not cassandra.password:
        folder, port = settings.state_dir / "cassandra", _port(cassandra, 9042, "cassandra_url")
        found["cassandra"] = CassandraServer(folder, port, cassandra.path.strip("/") or "millrace")
    registry = urlsplit(settings.registry_url)
    if registry.scheme == "http" and registry.hostname in LOOPBACK:
        found["registry"] = RegistryServer(settings.kafka, _port(registry, 80, "registry_url"))
    search = urlsplit(settings.search_url)
    if search.scheme == "http" and search.hostname in LOOPBACK and not search.password:
        found["search"] = SearchServer(settings.state_dir / "search", _port(search, 9200, "search_url"))
    return found


def addresses(settings: Settings) -> dict[str, str]:
    """Where each part of the platform is, by name, whether it runs here or not; for people, so without passwords."""
    found = {"kafka": settings.kafka, "registry": settings.registry_url, "redis": settings.redis_url}
    if settings.relational_url.startswith("postgresql:"):
        found["postgresql"] = settings.relational_url
    there = ("redis", "relational")
    found |= {name: address for name, address in settings.addresses.items() if address and name not in there}
    found["service"] = settings.service_url
    return {name: redacted(address) for name, address in found.items()}


def variables(settings: Settings) -> dict[str, str]:
    """The settings as the environment of a child process. `kafka_options` have no variable: they are in the file."""
    names = [item.name for item in fields(settings) if not isinstance(getattr(settings, item.name), Mapping)]
    further = {f"{name}_url": address for name, address in settings.further_urls.items()}
    every = {**{name: getattr(settings, name) for name in names}, **further}
    return {f"MILLRACE_{name.upper()}": str(value) for name, value in every.items()}


def _port(address: SplitResult, usual: int, setting: str) -> int:
    try:
        return address.port or usual
    except ValueError:  # its words may be a part of a password
        raise StackError(
            f"The setting {setting} has the address {redacted(address.geturl())!r}, whose port is no number."
        ) from None

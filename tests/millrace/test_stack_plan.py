"""The settings alone say which parts run on this machine, and where."""

from __future__ import annotations

import pytest

from millrace.settings import Settings
from millrace.stack.errors import StackError
from millrace.stack.plan import addresses, servers, variables


def test_by_default_all_three_servers_run_here_on_the_ports_of_the_settings() -> None:
    found = servers(Settings())
    assert {name: [port.number for port in server.ports] for name, server in found.items()} == {
        "kafka": [19092, 19093],
        "redis": [16379],
        "registry": [18081],
    }
    assert {name: server.address for name, server in found.items()} == {
        name: address for name, address in addresses(Settings()).items() if name != "service"
    }


@pytest.mark.parametrize(
    ("part", "settings"),
    [
        ("kafka", Settings(kafka="broker.example:9092")),
        ("kafka", Settings(kafka="127.0.0.1:9092,127.0.0.1:9093")),
        ("kafka", Settings(kafka="[::1]:9092")),
        ("kafka", Settings(kafka_options={"security.protocol": "SSL"})),
        ("redis", Settings(redis_url="redis://cache.example/0")),
        ("redis", Settings(redis_url="rediss://127.0.0.1/0")),
        ("redis", Settings(redis_url="redis://:secret@127.0.0.1/0")),
        ("registry", Settings(registry_url="https://127.0.0.1:8081")),
        ("registry", Settings(registry_url="http://registry.example:8081")),
    ],
)
def test_a_part_on_another_machine_or_a_secured_one_is_not_run_here(part: str, settings: Settings) -> None:
    assert part in addresses(settings)
    assert set(servers(settings)) == {"kafka", "redis", "registry"} - {part}


def test_a_relational_database_runs_here_if_it_is_postgresql_on_loopback() -> None:
    found = servers(Settings(relational_url="postgresql://ada@localhost:7000/models"))["postgresql"]
    assert (found.address, found.ports[0].number) == ("postgresql://ada@127.0.0.1:7000/models", 7000)


@pytest.mark.parametrize(
    "url", ["postgresql://ada:secret@127.0.0.1/models", "postgresql://ada:secret@db.example/models"]
)
def test_a_secured_postgresql_is_not_run_here_and_its_password_is_not_shown(url: str) -> None:
    settings = Settings(relational_url=url)
    assert "postgresql" not in servers(settings)
    assert addresses(settings)["postgresql"] == url.replace(":secret", ":***")


def test_a_cassandra_on_loopback_is_run_here_with_the_port_after_its_own() -> None:
    here = Settings(cassandra_url="cassandra://ada@localhost:9042/models")
    server = servers(here)["cassandra"]
    assert [port.number for port in server.ports] == [9042, 9043]
    assert addresses(here)["cassandra"] == "cassandra://ada@localhost:9042/models"


@pytest.mark.parametrize(
    "url",
    [
        "",
        "cassandra://db.example/models",
        "cassandra://127.0.0.1:9042,127.0.0.1:9043/models",
        "cassandra://ada:secret@127.0.0.1/models",
    ],
)
def test_another_cassandra_is_not_run_here_and_its_password_is_not_shown(url: str) -> None:
    settings = Settings(cassandra_url=url)
    assert "cassandra" not in servers(settings)
    assert "secret" not in str(addresses(settings))


def test_the_registry_uses_the_kafka_of_the_settings_wherever_that_is() -> None:
    command = servers(Settings(kafka="broker.example:9092"))["registry"].command()
    assert command[command.index("--kafka") + 1] == "broker.example:9092"


@pytest.mark.parametrize(
    ("settings", "name"),
    [
        (Settings(kafka="127.0.0.1:nine"), "kafka"),
        (Settings(redis_url="redis://127.0.0.1:99999/0"), "redis_url"),
        (Settings(registry_url="http://localhost:-1"), "registry_url"),
        (Settings(relational_url="postgresql://localhost:five/x"), "relational_url"),
        (Settings(cassandra_url="cassandra://localhost:99999/k"), "cassandra_url"),
    ],
)
def test_an_address_without_a_number_for_its_port_is_named(settings: Settings, name: str) -> None:
    with pytest.raises(StackError, match=f"The setting {name} has the address"):
        servers(settings)


def test_a_child_process_reads_the_same_settings_from_its_environment() -> None:
    settings = Settings(kafka="broker:1", service_port=8080, partitions=7)
    assert Settings.load(environment=variables(settings)) == settings

"""A store that strangers could write is refused, by its address alone."""

from __future__ import annotations

import logging

import pytest

from storage import technologies
from storage.errors import FormatRefused, InsecureStore
from storage.exposure import Exposure, exposure, must_be_guarded

LOCAL = [
    "redis://127.0.0.1:6379/0",
    "redis://127.8.9.10",
    "redis://[::1]:6379",
    "redis://[::ffff:127.0.0.1]:6379",
    "redis://localhost/0",
    "redis://",
    "unix:///run/redis.sock",
    "sqlite:///.millrace/relational.db",
    "postgresql://user@localhost:5432/db",
    "postgresql:///db?host=/run/postgresql",
    "postgresql://%2Frun%2Fpostgresql/db",
    "http://localhost:9200",
    "cassandra://127.0.0.1,localhost:9042/millrace",
]
OPEN = [
    "redis://10.0.0.1:6379/0",
    "redis://redis:6379/0",
    "redis://0.0.0.0:6379",
    "redis://[::]:6379",
    "redis://localhost.example.com",
    "redis://localhost@example.com",
    "redis://user@example.com",
    "redis:///0?host=example.com",
    "redis+cluster://localhost:7000,example.com:7000",
    "rediss://example.com?ssl_cert_reqs=none",
    "postgresql://localhost/db?host=example.com",
    "postgresql://localhost/db?hostaddr=10.0.0.1",
    "postgresql://localhost/db#?host=example.com",
    "postgresql://user@example.com/db?passfile=/nowhere",
    "postgresql://user@example.com/db?sslmode=require",
    "postgresql://user@example.com/db",
    "cassandra://localhost,example.com/millrace",
    "http://example.com:9200",
    "redis://[nonsense",
    "anything",
    "host=example.com dbname=rows",
    "redis://1.2.3.4,127.0.0.1",
]
OVERHEARD = [
    "redis://user:secret@example.com",
    "redis://:secret@example.com",
    "redis://example.com?password=secret",
    "rediss://user:secret@example.com?ssl_cert_reqs=none",
    "postgresql://user:secret@example.com/db?sslmode=require",
    "cassandra://user:secret@a,b/millrace",
    "http://user:secret@example.com:9200",
]
ENCRYPTED = [
    "rediss://example.com",
    "rediss+cluster://user:secret@a:1,b:2",
    "postgresql://user@example.com/db?sslmode=verify-full",
    "cassandra://user:secret@a,b/millrace?ssl_ca_certs=ca.pem",
    "https://example.com:9200",
]


@pytest.mark.parametrize(
    ("address", "found"),
    [
        *((address, Exposure.LOCAL) for address in LOCAL),
        *((address, Exposure.OPEN) for address in OPEN),
        *((address, Exposure.OVERHEARD) for address in OVERHEARD),
        *((address, Exposure.ENCRYPTED) for address in ENCRYPTED),
    ],
)
def test_an_address_says_how_open_its_store_is(address: str, found: Exposure) -> None:
    assert exposure(address) is found


@pytest.mark.parametrize("side", [technologies.opened, technologies.opened_reads])
@pytest.mark.parametrize(
    ("name", "address"),
    [("redis", "redis://db.example.com:6379/0"), ("relational", "postgresql://user@db.example.com/rows")],
)
def test_an_open_store_is_refused_with_what_to_do_unless_it_is_allowed(side: object, name: str, address: str) -> None:
    assert callable(side)
    with pytest.raises(
        InsecureStore, match=rf"db\.example\.com.*{name}_url.*MILLRACE_ALLOW_INSECURE_STORES"
    ) as refused:
        side(name, address)
    assert str(refused.value).count(address) == 1
    assert side(name, address, insecure=True) is not None


@pytest.mark.parametrize("side", [technologies.opened, technologies.opened_reads])
@pytest.mark.parametrize("address", ["mysql://ada:s3cret@db.example.com/rows", "s3cret"])
def test_another_database_is_said_to_be_none_of_ours_and_not_to_be_unguarded(side: object, address: str) -> None:
    assert callable(side)
    with pytest.raises(FormatRefused, match="`relational_url` must begin with sqlite:///, postgresql://") as refused:
        side("relational", address)
    assert "s3cret" not in str(refused.value)


def test_credentials_in_plain_text_are_allowed_with_a_warning_that_does_not_tell_them(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.WARNING):
        must_be_guarded("redis", "redis://user:secret@example.com", insecure=False)
    assert "use TLS" in caplog.text
    assert "secret" not in caplog.text


def test_where_it_is_allowed_nothing_is_said(caplog: pytest.LogCaptureFixture) -> None:
    must_be_guarded("redis", "redis://user:secret@example.com", insecure=True)
    must_be_guarded("redis", "redis://example.com", insecure=True)
    assert not caplog.text

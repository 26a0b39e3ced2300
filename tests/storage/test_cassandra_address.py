"""A Cassandra's address says all there is to say, and its password is never said again."""

from __future__ import annotations

from pathlib import Path

import pytest

from storage.cassandra.address import CassandraAddress
from storage.errors import StorageError


def test_an_address_names_nodes_keyspace_user_and_options() -> None:
    found = CassandraAddress.of(
        "cassandra://ada:p%40ss@one:9043,two,[::1]:9044/models?replication=dc1:3,dc2:2&slots=64"
    )
    assert found.nodes == (("one", 9043), ("two", 9042), ("::1", 9044))
    assert (found.keyspace, found.user, found.password) == ("models", "ada", "p@ss")
    assert (found.replication, found.slots) == ({"dc1": 3, "dc2": 2}, 64)
    assert "p@ss" not in f"{found} {found!r} {found.where}"


def test_what_an_address_leaves_out_has_a_default() -> None:
    found = CassandraAddress.of("cassandra://here")
    assert (found.nodes, found.keyspace, found.user) == ((("here", 9042),), "millrace", "")
    assert (found.replication, found.slots, found.ssl_context()) == ({}, 8, None)


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("redis://here", "begins with cassandra://"),
        ("cassandra://", "names a host"),
        ("cassandra://here:x/k", "no host:port"),
        ("cassandra://here:99999/k", "no port"),
        ("cassandra://here/a-b", "cannot name a keyspace"),
        ("cassandra://here/k?tls=yes", "no option 'tls'"),
        ("cassandra://here/k?slots=0", "slots"),
        ("cassandra://here/k?replication=some", "replication"),
        ("cassandra://here/k?slots", "name=value"),
    ],
)
def test_a_wrong_address_says_what_is_wrong_and_not_the_password(url: str, words: str) -> None:
    with pytest.raises(StorageError, match=words) as refused:
        CassandraAddress.of(url.replace("://", "://ada:secret@") if url.endswith(("x/k", "k?slots=0")) else url)
    assert "secret" not in str(refused.value)
    assert "cassandra_url" in str(refused.value)


def test_tls_checks_the_servers_name_against_authorities(tmp_path: Path) -> None:
    context = CassandraAddress.of("cassandra://here/k?ssl_ca_certs=system").ssl_context()
    assert context is not None
    assert context.check_hostname
    with pytest.raises(StorageError, match="certificates cannot be read"):
        CassandraAddress.of(f"cassandra://here/k?ssl_ca_certs={tmp_path / 'none.pem'}").ssl_context()

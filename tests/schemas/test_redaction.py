"""No password is left in an address that people may see."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.redaction import redacted, without_secrets


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("redis://user:secret@host:1/0", "redis://user:***@host:1/0"),
        ("redis://:secret@host", "redis://:***@host"),
        ("redis+cluster://user:secret@a:1,b:2", "redis+cluster://user:***@a:1,b:2"),
        ("postgresql://host/db?sslmode=prefer&password=secret", "postgresql://host/db?sslmode=prefer&password=***"),
        ("rediss://host?ssl_keyfile=k&ssl_password=secret", "rediss://host?ssl_keyfile=k&ssl_password=***"),
        ("user:secret@host:9092", "user:***@host:9092"),
        ("postgresql://user@host/db", "postgresql://user@host/db"),
        ("127.0.0.1:19092", "127.0.0.1:19092"),
        ("", ""),
    ],
)
def test_an_address_is_shown_without_its_passwords(address: str, shown: str) -> None:
    assert redacted(address) == shown


@given(st.text(), st.text(), st.sampled_from(["redis://", "postgresql://", "https://", ""]))
def test_whatever_a_password_holds_none_of_it_is_shown(before: str, after: str, scheme: str) -> None:
    assert "SENTINEL" not in redacted(f"{scheme}user:{before}SENTINEL{after}@host:1/0")


def test_an_event_is_shown_without_what_its_fields_say_to_be_secret() -> None:
    event = {
        "user": "ann",
        "Password": "x",
        "sessionToken": ["a", "b"],
        "api_key": None,
        "more": {"client_secret": 7, "urls": ["redis://me:secret@host", "a:b@c"]},
    }
    assert without_secrets(event) == {
        "user": "ann",
        "Password": "***",
        "sessionToken": "***",
        "api_key": None,
        "more": {"client_secret": "***", "urls": ["redis://me:***@host", "a:b@c"]},
    }

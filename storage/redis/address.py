"""A Redis address, as both sides of the technology understand it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from redis.connection import SSLConnection, parse_url

from storage.errors import FormatRefused

ENCRYPTED = "rediss://"
"""What asks for TLS in an address."""
_PLAIN = {"host", "port", "db", "username", "password", "path", "connection_class"}
_TLS = {f"ssl_{name}" for name in ("ca_certs", "certfile", "keyfile", "password", "cert_reqs", "check_hostname")}


def connection_settings(url: str) -> dict[str, Any]:
    """What redis-py's connections are made of: `redis://user:password@host:port/db`, `rediss://` for TLS, `unix://`.

    Options of the address that change how often something is sent are not taken: the protocol rests on it.

    Raises:
        FormatRefused: it is no such address; what it holds is not in the message.
    """
    try:
        found: dict[str, Any] = parse_url(url)  # type: ignore[no-untyped-call]
    except ValueError:
        raise no_address() from None
    known = _PLAIN | _TLS if found.get("connection_class") is SSLConnection else _PLAIN
    if not found.keys() <= known:  # its name is not told: it may be a piece of a password
        taken = ", ".join(sorted(_TLS))
        raise FormatRefused(f"redis_url has an option that is not taken; with rediss:// there are {taken}.")
    for option in ("ssl_ca_certs", "ssl_certfile", "ssl_keyfile"):
        if option in found and not Path(found[option]).is_file():
            raise FormatRefused(f"redis_url names {found[option]!r} as {option}, and there is no such file.")
    return found


def place(settings: Mapping[str, Any]) -> str:
    """Where `connection_settings` lead to, for people: without a password, with the setting that says so."""
    if "path" in settings:
        return f"{settings['path']} (redis_url)"
    host, port = settings.get("host", "localhost"), settings.get("port", 6379)
    return f"{host}:{port}/{settings.get('db', 0)} (redis_url)"


def no_address() -> FormatRefused:
    """The error for an address that cannot be read."""
    return FormatRefused(
        "redis_url is no Redis's address: it must be redis://user:password@host:port/db, rediss:// for TLS, or "
        "unix://path, with what is no letter or digit in the password written as %40 and the like."
    )

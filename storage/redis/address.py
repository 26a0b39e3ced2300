"""A Redis address, as both sides of the technology understand it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from redis.connection import SSLConnection, parse_url

from storage.errors import FormatRefused

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
        raise FormatRefused(f"The Redis address has an option that is not taken; with rediss:// there are {taken}.")
    for option in ("ssl_ca_certs", "ssl_certfile", "ssl_keyfile"):
        if option in found and not Path(found[option]).is_file():
            raise FormatRefused(f"The Redis address names {found[option]!r} as {option}, and there is no such file.")
    return found


def no_address() -> FormatRefused:
    """The error for an address that cannot be read."""
    return FormatRefused(
        "The Redis address is none: it must be redis://user:password@host:port/db, rediss:// for TLS, or unix://path, "
        "with what is no letter or digit in the password written as %40 and the like."
    )

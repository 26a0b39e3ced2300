"""What a store's address lets strangers do, judged by the address alone. Pure.

An address off this machine without encryption and without credentials is refused: whoever reaches the port could read
and rewrite models. Credentials without encryption are allowed with a warning, because many private networks are run so,
although whoever listens there reads them. Encryption without credentials is allowed: a client's certificate may stand
for them, and only the server knows whom it asks for one. Encryption that checks no certificate counts for nothing:
whoever sits between may be the one who answers. A file of passwords counts for nothing either: it may have none.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Mapping
from enum import Enum
from ipaddress import ip_address
from urllib.parse import parse_qs, unquote, urlsplit

from schemas.redaction import redacted
from storage.errors import InsecureStore

log = logging.getLogger(__name__)

_ENCRYPTED = {"rediss", "rediss+cluster", "https"}
"""Schemes that mean TLS."""
_CHECKED = {"verify-ca", "verify-full"}
"""libpq's `sslmode`s that check the server's certificate; its default even falls back to plain text."""
_FILES = {"sqlite", "unix"}


class Exposure(Enum):
    """How open a store is to whoever reaches its port."""

    LOCAL = "on this machine"
    ENCRYPTED = "encrypted"
    OVERHEARD = "asks for credentials, which whoever listens can read"
    OPEN = "guarded neither by TLS nor by credentials"


def exposure(address: str) -> Exposure:
    """What an address says of the store's openness. What cannot be read counts as open."""
    try:
        parts = urlsplit(address, allow_fragments=False)
        options = {name.lower(): values[-1] for name, values in parse_qs(parts.query).items()}
    except ValueError:
        return Exposure.OPEN
    if not parts.scheme:
        return Exposure.OPEN
    if parts.scheme in _FILES or all(map(_is_here, _hosts(parts.netloc, options))):
        return Exposure.LOCAL
    if _is_encrypted(parts.scheme, options):
        return Exposure.ENCRYPTED
    user, _, _ = parts.netloc.rpartition("@")
    has_password = bool(user.partition(":")[2] or options.get("password"))
    return Exposure.OVERHEARD if has_password else Exposure.OPEN


def must_be_guarded(name: str, address: str, insecure: bool) -> None:
    """Check that strangers cannot write a store; warn where they could overhear its credentials.

    Args:
        name: the technology's.
        insecure: the setting that allows it all the same.

    Raises:
        InsecureStore: they can; the message says what to do.
    """
    found = exposure(address)
    if found is Exposure.OPEN and not insecure:
        raise InsecureStore(
            f"{name} at {redacted(address)} is not on this machine and is {found.value}, so that whoever reaches its "
            f"port can read and write models. Give `{name}_url` TLS and credentials, or, where its network lets nobody "
            "else in, set allow_insecure_stores = true (MILLRACE_ALLOW_INSECURE_STORES=true)."
        )
    if found is Exposure.OVERHEARD and not insecure:
        log.warning("%s at %s %s; use TLS.", name, redacted(address), found.value)


def _hosts(netloc: str, options: Mapping[str, str]) -> Iterator[str]:
    """Every host that an address names; drivers take some from its options."""
    listed = [netloc.rpartition("@")[2], options.get("host", ""), options.get("hostaddr", "")]
    for host in ",".join(filter(None, listed)).split(","):
        bracketed = re.fullmatch(r"\[(.*)\](:\d*)?", host)
        yield unquote(bracketed[1] if bracketed else re.sub(r":\d*$", "", host))


def _is_here(host: str) -> bool:
    """Whether a host is this machine by its own name, without asking anybody; nothing, or a folder, is a socket."""
    if host in ("", "localhost", "localhost.") or host.startswith("/"):
        return True
    try:
        found = ip_address(host)
    except ValueError:
        return False
    return (getattr(found, "ipv4_mapped", None) or found).is_loopback


def _is_encrypted(scheme: str, options: Mapping[str, str]) -> bool:
    """Whether TLS is sure, with a server whose certificate is checked."""
    if scheme in _ENCRYPTED:
        return options.get("ssl_cert_reqs") not in ("none", "optional")
    return options.get("sslmode") in _CHECKED or (scheme == "cassandra" and "ssl_ca_certs" in options)

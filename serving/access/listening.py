"""Where a models service may listen without asking for keys. Pure."""

from __future__ import annotations

import logging
import re
from functools import lru_cache
from ipaddress import ip_address

from serving.errors import InsecureService

LOGGER = logging.getLogger("millrace.access")

_HERE = re.compile(rb"(([a-z0-9-]{1,63}\.){0,5}localhost\.?|127(\.\d{1,3}){3}|\[::1\])(:\d{1,5})?", re.IGNORECASE)


def is_here(host: str) -> bool:
    """Whether what listens on this address is reached from this machine alone."""
    if host in ("localhost", "localhost."):
        return True
    try:
        found = ip_address(host)
    except ValueError:  # a name, or nothing, which means every address
        return False
    return (getattr(found, "ipv4_mapped", None) or found).is_loopback


@lru_cache(64)
def names_here(host: bytes) -> bool:
    """Whether a `Host` header names this machine. A page whose own name was made to lead here has its name there."""
    return _HERE.fullmatch(host) is not None


def must_be_guarded(host: str, keyed: bool, insecure: bool) -> None:
    """Check that strangers cannot ask and change everything; warn where they could overhear keys.

    Args:
        host: the address to listen on.
        keyed: whether there are keys.
        insecure: the setting that allows it all the same.

    Raises:
        InsecureService: they can; the message says what to do.
    """
    if is_here(host) or insecure:
        return
    if not keyed:
        raise InsecureService(
            f"The models service would listen on {host or 'every address'}, which others reach, and asks nobody for a "
            "key, so that whoever reaches its port can send events and delete storages. Make a key: millrace keys "
            "create console --scope admin; or, where its network lets nobody else in, set allow_insecure_service = "
            "true (MILLRACE_ALLOW_INSECURE_SERVICE=true)."
        )
    LOGGER.warning("Keys travel to %s as plain text; put a proxy with TLS before it (docs/security.md).", host)

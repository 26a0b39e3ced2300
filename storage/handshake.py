"""What a connection that ends before anything was said may come of: TLS on one side only. Pure."""

from __future__ import annotations

import re

_NOT_TLS = re.compile(
    r"wrong.version.number|record.layer.failure|not support SSL|unexpected.eof|time.?out|no answer", re.I
)
"""What comes back is no TLS, or nothing: a server may wait for the end of a line that a handshake does not have."""
_NOT_PLAIN = re.compile(r"closed|hung up|disconnected|no encryption|timed out creating", re.I)


def perhaps(why: str, encrypted: bool, option: str) -> str:
    """What to add to the reason for which a server could not be reached; nothing where TLS has no part in it.

    Args:
        encrypted: whether TLS was asked for.
        option: what asks for it in an address.
    """
    if encrypted and _NOT_TLS.search(why):
        return f"; perhaps it speaks no TLS at this port, which {option} in the address asks for"
    if not encrypted and _NOT_PLAIN.search(why):
        return f"; perhaps it wants TLS at this port, which {option} in the address asks for"
    return ""

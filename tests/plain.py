"""Asking servers of this machine: their addresses are plain HTTP, and to read all certificates takes longer."""

from __future__ import annotations

import ssl

PLAIN = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""`verify` of an httpx client or request. It trusts nobody."""

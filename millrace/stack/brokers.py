"""Asks Kafka which brokers it has: the readiness check, without a Kafka client (only `streams/` imports one)."""

from __future__ import annotations

import socket
import struct


def brokers(host: str, port: int) -> int:
    """How many brokers serve, as the one at this address says; 0 when it does not answer. Blocks for a second at most.

    A Metadata request (key 3, version 4) without topics, by Kafka's protocol guide. A broker is in the answer only
    when the controller has let it in, so topics can be created from then on.
    """
    header = struct.pack(">hhih", 3, 4, 1, -1)  # api, version, correlation, no client id
    request = header + struct.pack(">i?", 0, False)  # no topics, create none
    try:
        with socket.create_connection((host, port), timeout=1.0) as connection:
            connection.sendall(struct.pack(">i", len(request)) + request)
            answer = b""
            while len(answer) < 16 and (chunk := connection.recv(4096)):
                answer += chunk
        found: int = struct.unpack_from(">i", answer, 12)[0]  # after size, correlation and throttle time
    except (OSError, struct.error):
        return 0
    return found

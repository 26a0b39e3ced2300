"""Whether a Redis removes rows when it is full, as one that is used as a cache does: it tells nobody."""

from __future__ import annotations

import re

from redis.exceptions import ResponseError

from storage.errors import StorageUnavailable, harmless
from storage.redis.pool import Pool, exchange

_SAID = re.compile(r"^(maxmemory|maxmemory_policy):(\S+)", re.MULTILINE)


def must_keep(pool: Pool) -> None:
    """Check that Redis keeps what is written: its role may be forbidden to ask, and then it is not known.

    INFO says it as CONFIG GET does, and may be given to a role, as it shows no password. A `volatile-` policy evicts
    what has a time to live, which no row has.

    Raises:
        StorageUnavailable: it would evict rows; the message says what is set, and what to set.
    """
    with harmless(), exchange(pool) as connection:
        connection.tell(("INFO", "memory"))
        try:
            said = dict(_SAID.findall(connection.hear().decode()))
        except ResponseError:
            return
    policy = said.get("maxmemory_policy", "")
    if policy.startswith("allkeys-") and said.get("maxmemory") != "0":
        raise StorageUnavailable(
            f"Redis at {pool.place} removes rows without a word once it is full: its maxmemory-policy is {policy}, "
            f"with a maxmemory of {said.get('maxmemory')} bytes. Set maxmemory-policy to noeviction (CONFIG SET, and "
            "in its redis.conf), or use a Redis that is no cache."
        )

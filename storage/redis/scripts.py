"""The scripts of `storage/redis/lua`."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from importlib.resources import files
from typing import Any

from redis.exceptions import NoScriptError

from storage.redis.pool import Pool, run_command


@dataclass(frozen=True)
class Script:
    """One Lua script; `sha` is what Redis calls it by."""

    source: str
    sha: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "sha", hashlib.sha1(self.source.encode(), usedforsecurity=False).hexdigest())


def _script(*parts: str) -> Script:
    folder = files("storage.redis").joinpath("lua")
    return Script("".join(folder.joinpath(f"{part}.lua").read_text("utf-8") for part in parts))


SWAP = _script("swap")
SHARDS = _script("shards")
TRIM = _script("trim")
REMOVE = _script("remove")
CLAIM = _script("claim")
READ = _script("fence", "read")
COMMIT = _script("fence", "commit")


def run(pool: Pool, script: Script, keys: tuple[str, ...], *arguments: str | bytes | float) -> Any:
    """The script's reply. Blocks.

    Raises:
        StorageUnavailable: it was not applied.
        UnknownOutcome: it was sent, and there is no answer.
        SuspectGeneration: it failed on the way.
    """
    rest = (len(keys), *keys, *arguments)
    try:
        return run_command(pool, "EVALSHA", script.sha, *rest)
    except NoScriptError:
        pass  # a new server, or one that has restarted: it keeps what EVAL brings
    return run_command(pool, "EVAL", script.source, *rest)

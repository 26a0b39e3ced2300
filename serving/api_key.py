"""The key that clients and commands show a models service."""

from __future__ import annotations

import os
import re

from serving.errors import ServingError

VARIABLE = "MILLRACE_API_KEY"
_SENDABLE = re.compile(r"[\x21-\x7e]{1,500}")


def authorization(key: str | None = None) -> dict[str, str]:
    """The header that shows a key; none where there is no key.

    Args:
        key: left out, the one in the environment, `MILLRACE_API_KEY`; empty = none is shown.

    Raises:
        ServingError: what is given cannot be sent, such as a file's name with its content.
    """
    text = (os.environ.get(VARIABLE, "") if key is None else key).strip()
    if not text:
        return {}
    if not _SENDABLE.fullmatch(text):
        raise ServingError(f"The key has characters that no header may have; give it as it was printed ({VARIABLE}).")
    return {"authorization": f"Bearer {text}"}

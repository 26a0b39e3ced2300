"""Running a server that refuses to run as root, where we are root."""

from __future__ import annotations

import os
import pwd
import shutil
from pathlib import Path

from millrace.stack.errors import StackError

_NOBODY = "nobody"


def unprivileged(program: str) -> list[str]:
    """What to put before a command line: nothing, or, where we are root, what makes it run as nobody.

    It may look into the folders of root, in which its program is, and write only to what is its own: see `give`.

    Raises:
        StackError: we are root, and cannot become another user.
    """
    if os.geteuid() != 0:
        return []
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        raise StackError(
            f"{program} refuses to run as root, and there is no setpriv to become another user with; install "
            "util-linux, or start as another user."
        )
    group = str(pwd.getpwnam(_NOBODY).pw_gid)
    looking = ["--inh-caps", "+dac_read_search", "--ambient-caps", "+dac_read_search"]
    looking += ["--securebits", "+no_setuid_fixup"]  # without it access(2) says that there is nothing in such folders
    return [setpriv, "--reuid", _NOBODY, "--regid", group, "--clear-groups", *looking]


def give(folder: Path) -> None:
    """Make a folder, and all that is in it, that of the user that `unprivileged` makes a server run as."""
    if os.geteuid() == 0:
        nobody = pwd.getpwnam(_NOBODY)
        for path in (folder, *folder.rglob("*")):
            os.chown(path, nobody.pw_uid, nobody.pw_gid, follow_symlinks=False)

"""What is known of one product: which version of it is deployed, and everything that was done to it. No I/O."""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec

from millrace.deployments.archive import SHOWN
from millrace.deployments.errors import DeploymentConflict, DeploymentRefused
from millrace.deployments.names import Names
from millrace.deployments.report import Report

KEPT = 5
"""Versions of a product whose archives are kept, to deploy one of them again."""
HISTORY, REFUSALS = 50, 10
"""Changes that are kept, and tries in vain among them: these must not displace those."""
LONGEST = 200
"""Characters of who deploys."""
LONGEST_NOTE = 500


class Who(msgspec.Struct, frozen=True):
    """Who does something, and why. Raises DeploymentRefused where that cannot be shown to others."""

    by: str
    note: str = ""

    def __post_init__(self) -> None:
        for text, longest in ((self.by, LONGEST), (self.note, LONGEST_NOTE)):
            if len(text) > longest or not text.isprintable():
                raise DeploymentRefused("Who deploys has 200 characters at most, and why 500; all of them printable.")


class Change(msgspec.Struct, frozen=True):
    """What was done: `deploy`, `undeploy`, or `refuse`, which changed nothing, and says why."""

    at: str
    by: str
    action: str
    hash: str = ""
    why: str = ""
    note: str = ""


class Record(msgspec.Struct, frozen=True):
    """One product.

    Attributes:
        hash: of the version that is deployed; empty = none is.
        parts: by hash, in how many parts each archive that is kept is; the newest last.
        names: what the deployed version declares.
        left: what of it has no effect.
        counts: whether decisions are to be counted with it, or with another one that has this too.
        history: the newest last.
    """

    name: str
    hash: str = ""
    parts: dict[str, int] = {}
    names: Names = Names()
    left: list[str] = []
    counts: bool = False
    history: list[Change] = []

    @property
    def last(self) -> Change | None:
        """The newest change that was one; None if all were refused."""
        return next((change for change in reversed(self.history) if change.action != "refuse"), None)

    def deployed(self, hash: str, parts: int, report: Report, who: Who, counts: bool) -> Record:
        """The same with this version."""
        kept = {other: number for other, number in self.parts.items() if other != hash} | {hash: parts}
        return msgspec.structs.replace(
            self,
            hash=hash,
            parts=dict(list(kept.items())[-KEPT:]),
            names=report.names,
            left=report.left,
            counts=counts,
            history=self._and("deploy", who, hash),
        )

    def undeployed(self, who: Who) -> Record:
        """The same with no version.

        Raises:
            DeploymentConflict: there is none already.
        """
        if not self.hash:
            raise DeploymentConflict(f"{self.name} is not deployed.")
        return msgspec.structs.replace(
            self, hash="", names=Names(), left=[], counts=False, history=self._and("undeploy", who, self.hash)
        )

    def refused(self, hash: str, why: str, who: Who) -> Record:
        """The same, and that somebody tried to deploy a version that was not taken."""
        return msgspec.structs.replace(self, history=self._and("refuse", who, hash, why[:500]))

    def version(self, prefix: str) -> str:
        """The hash that begins so, among those that are kept.

        Raises:
            DeploymentRefused: none does, or several.
        """
        found = [hash for hash in self.parts if hash.startswith(prefix.lower())]
        if len(found) != 1 or len(prefix) < 4:
            kept = ", ".join(hash[:SHOWN] for hash in self.parts) or "none"
            raise DeploymentRefused(f"{self.name} has no version {prefix[:64]!r} that could be deployed; kept: {kept}.")
        return found[0]

    def _and(self, action: str, who: Who, hash: str, why: str = "") -> list[Change]:
        now = datetime.now(UTC).isoformat(timespec="milliseconds")
        history = [*self.history, Change(now, who.by, action, hash, why, who.note)]
        refusals = [change for change in history if change.action == "refuse"]
        return [change for change in history if change not in refusals[:-REFUSALS]][-HISTORY:]

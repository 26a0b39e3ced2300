"""One atomic write of rows and position, on its way to the storage."""

from __future__ import annotations

import random
import time
from dataclasses import dataclass

from learners.plan import Then, after_commit, resend_pause
from storage import Claim, Writes
from storage.errors import Fenced, Gap, StorageUnavailable, UnknownOutcome
from storage.technology import Commits
from storage.unit import Outcome


@dataclass(frozen=True)
class Commit:
    """The rows of a fold from `expected` to `new` and the new position, to be applied together or not at all.

    Frozen, because an unknown outcome is answered by sending exactly this again.
    """

    claim: Claim
    expected: int | None
    new: int
    writes: Writes
    watermark_ms: int | None

    def send(self, commits: Commits) -> None:
        """Send until the outcome is known, a few times at most; returns when the storage has it. Blocks.

        Raises:
            Fenced: another worker has claimed the unit.
            Gap: the storage is at another position than the fold began from.
            UnknownOutcome: it did not say after several tries; claim again to learn where it is.
        """
        resends = 0
        while True:
            try:
                outcome, cause = (
                    commits.commit(self.claim, self.expected, self.new, self.writes, self.watermark_ms),
                    None,
                )
            except (UnknownOutcome, StorageUnavailable) as error:
                outcome, cause = None, error
            then = after_commit(outcome, resends)
            if then is Then.ADVANCE:
                return
            if then is Then.RECLAIM:
                raise self._refusal(outcome, resends) from cause
            time.sleep(resend_pause(resends, random.random()))
            resends += 1

    def _refusal(self, outcome: Outcome | None, resends: int) -> Exception:
        unit = self.claim.unit
        what = f"{unit.learner}@{unit.version} on {unit.topic}/{unit.partition}, from {self.expected} to {self.new}"
        if outcome is Outcome.FENCED:
            return Fenced(
                f"The commit of {what} was refused: another worker has claimed the unit, or its store has "
                "forgotten the claim."
            )
        if outcome is Outcome.GAP:
            return Gap(f"The commit of {what} was refused: the storage is at another position.")
        return UnknownOutcome(f"The commit of {what} was sent {resends + 1} times without an answer.")

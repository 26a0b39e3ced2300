"""What can go wrong when a product is deployed.

MillraceError
├── DeploymentRefused           the product cannot be taken as it is; nothing was changed
│   └── DeploymentConflict      it does not fit what is there, or another deployment is under way
└── DeploymentsUnavailable      what is shared cannot be asked or changed now
"""

from __future__ import annotations

from collections.abc import Sequence

from schemas.errors import MillraceError


class DeploymentRefused(MillraceError):
    """A product that is not taken.

    Attributes:
        problems: why, a sentence each.
    """

    def __init__(self, *problems: str) -> None:
        super().__init__(" ".join(problems))
        self.problems: Sequence[str] = problems


class DeploymentConflict(DeploymentRefused):
    """It does not fit what is there; the sentences name both sides."""


class DeploymentsUnavailable(MillraceError):
    """Nothing can be deployed now; the message says why, and whether something may have been."""

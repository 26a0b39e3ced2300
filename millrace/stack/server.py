"""What a server of the local stack is: a frozen value that can be prepared, started by its command and asked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True)
class Port:
    """A TCP port on loopback, and the setting that changes it, with `{port}` where the number goes."""

    number: int
    setting: str


class Server(Protocol):
    """One part of the stack. Making the value does nothing; then it is fetched, prepared and started, in this order."""

    @property
    def name(self) -> str:
        """Its name in `millrace status`."""

    @property
    def address(self) -> str:
        """Where clients reach it."""

    @property
    def ports(self) -> Sequence[Port]:
        """What it listens on."""

    def fetch(self, show: bool) -> None:
        """Fetch its program unless it is on this machine; `show` draws a progress bar on stderr. Blocks.

        Raises:
            StackError: it cannot be had.
        """

    def prepare(self) -> None:
        """Write its configuration, and its empty storage if there is none. Blocks for a second or two.

        Raises:
            StackError: it refuses the configuration.
        """

    def command(self) -> list[str]:
        """The command line that runs it in the foreground."""

    def ready(self) -> bool:
        """Whether it answers a request now; really connects. Blocks for a second at most."""

"""The servers that a proof needs, of its own: Kafka, the schema registry and Redis, as `millrace up` starts them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks.ports import free_ports
from benchmarks.report import say
from millrace.settings import Settings
from millrace.stack import Stack


def on_free_ports(folder: Path) -> Settings:
    """Settings of a platform on ports of this machine that nothing listens on now, with its data in `folder`."""
    kafka, controller, registry, redis, service = free_ports(5)
    return Settings(
        kafka=f"127.0.0.1:{kafka}",
        kafka_controller_port=controller,
        registry_url=f"http://127.0.0.1:{registry}",
        redis_url=f"redis://127.0.0.1:{redis}/0",
        service_port=service,
        state_dir=folder / "state",
    )


@contextmanager
def local_stack(folder: Path, **changes: Any) -> Iterator[Settings]:
    """Start them on free ports with their data in `folder`; on the way out stop them by their own process ids.

    Args:
        changes: to the settings that say where everything is; what is elsewhere is not started.

    Raises:
        StackError: one of them cannot be started.
    """
    database = f"sqlite:///{folder.absolute()}/state/relational.db"
    settings = replace(on_free_ports(folder), **{"relational_url": database, **changes})
    stack = Stack(settings)
    stack.up(say)
    try:
        yield settings
    finally:
        stack.down()

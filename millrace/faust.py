"""Faust apps by our settings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from millrace.settings import Settings
from schemas.registry_client import RegistryClient
from streams.errors import StreamError
from streams.kafka import Kafka

if TYPE_CHECKING:
    from streams.faust import FaustApp


class FaustMissing(StreamError, ImportError):
    """Faust is not installed."""


def faust_app(name: str, settings: Settings | None = None, **options: Any) -> FaustApp:
    """A Faust app for agents and tables over our topics: `app.events(Click)` is the topic of an event class. Run it by
    `python -m faust -A MODULE worker`. What it guarantees, and what not, is in `docs/faust.md`.

    Args:
        name: its consumer group, and what the topics of its tables begin with.
        settings: where Kafka and the registry are; read from `millrace.toml` and the environment when left out.
        options: Faust's own settings, such as `broker_session_timeout`.

    Raises:
        FaustMissing: the extra `faust` is not installed.
        StreamError: an option cannot be had.
    """
    try:
        from streams.faust import FaustApp
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] in ("streams", "schemas", "millrace"):
            raise
        raise FaustMissing(f"Faust needs the package {error.name!r}: install millrace[faust].") from error
    settings = settings or Settings.load()
    kafka, registry = Kafka(settings.kafka, settings.kafka_options), RegistryClient(settings.registry_url)
    return FaustApp(name, kafka, registry, settings.partitions, settings.state_dir / "faust" / name, **options)

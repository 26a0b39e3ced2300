"""Where the parts of a platform are: read once, from `millrace.toml` and then from `MILLRACE_*` variables.

The environment wins over the file and the file over the defaults. Nothing else in Millrace reads the environment.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from schemas.errors import MillraceError

FILE = "millrace.toml"


class SettingsError(MillraceError):
    """A setting has a name or a value that cannot be used; the message names the setting and its source."""


@dataclass(frozen=True)
class Settings:
    """Addresses and limits of one platform. Every default is the local stack on this machine, on loopback.

    Set a value in `millrace.toml` (`kafka = "broker:9092"`) or as a variable (`MILLRACE_KAFKA=broker:9092`). What may
    hold a password is not in its `repr`.
    """

    kafka: str = "127.0.0.1:19092"
    """Bootstrap servers of Kafka, comma separated."""
    kafka_controller_port: int = 19093
    """Second port of the local Kafka; only `millrace up` uses it."""
    registry_url: str = field(default="http://127.0.0.1:18081", repr=False)
    """A schema registry that speaks Confluent's HTTP API."""
    redis_url: str = field(default="redis://127.0.0.1:16379/0", repr=False)
    """The Redis that holds storages; `rediss://` for TLS."""
    default_technology: str = "redis"
    """Where storages live that name no technology: redis, relational, cassandra or search."""
    relational_url: str = field(default="sqlite:///.millrace/relational.db", repr=False)
    """The database that holds relational storages: `sqlite:///file` or `postgresql://user@host:port/database`."""
    cassandra_url: str = field(default="", repr=False)
    """The Cassandra that holds storages, `cassandra://user@host:port/keyspace`; empty = there is none."""
    search_url: str = field(default="", repr=False)
    """The OpenSearch that holds storages, `http://host:port`; empty = there is none."""
    allow_insecure_stores: bool = False
    """Whether a store off this machine may have neither TLS nor credentials: where its network lets nobody else in."""
    service_host: str = "127.0.0.1"
    """Address the models service listens on; loopback unless set."""
    service_port: int = 18080
    """Port of the models service and the console."""
    commit_interval_ms: int = 25
    """How long a learner gathers events before it commits, in milliseconds."""
    keep_versions: int = 1
    """So many versions of a storage below the one that is read are kept, to go back to."""
    keep_hours: int = 24
    """So many hours after a storage's name has moved nothing of it is removed."""
    partitions: int = 4
    """Partitions of a topic that Millrace creates."""
    state_dir: Path = Path(".millrace")
    """Folder of the local stack: its data, logs and process records."""
    kafka_options: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Options passed to librdkafka under its own names, such as `security.protocol`."""

    @classmethod
    def load(cls, path: Path | None = None, environment: Mapping[str, str] | None = None) -> Settings:
        """Read `path` (default: `millrace.toml` in this folder, if it is there) and then the environment.

        Raises:
            SettingsError: an unknown name, or a value of the wrong type.
        """
        file = path or Path(FILE)
        values: dict[str, Any] = {}
        if file.exists():
            try:
                values = tomllib.loads(file.read_text("utf-8"))
            except tomllib.TOMLDecodeError as error:
                raise SettingsError(f"{file} is not valid TOML ({error}); correct that line.") from error
        elif path is not None:
            raise SettingsError(f"There is no settings file {path}; create it or leave the option out.")
        settings = cls()._with(values, str(file))
        variables = {
            name.removeprefix("MILLRACE_").lower(): value
            for name, value in (os.environ if environment is None else environment).items()
            if name.startswith("MILLRACE_") and name.removeprefix("MILLRACE_").lower() in _NAMES
        }
        return settings._with(variables, "the environment")

    def _with(self, values: Mapping[str, Any], source: str) -> Settings:
        changes = {}
        for name, value in values.items():
            if name not in _NAMES:
                raise SettingsError(f"{source} sets {name!r}, which is no setting; known are {', '.join(_NAMES)}.")
            changes[name] = _converted(name, value, getattr(self, name), source)
        return replace(self, **changes)

    @property
    def service_url(self) -> str:
        """Address at which this machine reaches the models service."""
        return f"http://{self.service_host}:{self.service_port}"


_NAMES = tuple(item.name for item in fields(Settings))
_SAID = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}


def _converted(name: str, value: Any, default: Any, source: str) -> Any:
    """The value in the type of the default; a mapping is only possible in a file."""
    try:
        if isinstance(default, bool):
            return _SAID[str(value).lower()]
        if isinstance(default, int):
            number = int(value)
            if number < 0:
                raise ValueError(value)
            return number
        if isinstance(default, Path):
            return Path(value)
        if isinstance(default, Mapping):
            return {str(key): str(item) for key, item in value.items()}
    except (TypeError, ValueError, AttributeError, KeyError):
        shown = repr(value) if isinstance(default, int) else f"a {type(value).__name__}"  # options may be secret
        kind = type(default).__name__
        raise SettingsError(f"{source} sets {name} to {shown}, which is no {kind}; correct it.") from None
    if not isinstance(value, str):
        raise SettingsError(f"{source} sets {name} to a {type(value).__name__}, not a text; put it in quotes.")
    return value

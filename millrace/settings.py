"""Where the parts of a platform are: read once, from `millrace.toml` and then from `MILLRACE_*` variables.

The environment wins over the file and the file over the defaults.
A technology's address is `<technology>_url`, for each of `storage.kinds.KINDS`.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from schemas.errors import MillraceError
from storage.kinds import settable

FILE = "millrace.toml"
FOLDER = "MILLRACE_FOLDER"
"""The variable that names the folder whose settings count, and from which on their relative paths are, where that is
not the folder in which a process works: a job's commands have it."""
URL = "_url"
"""What the name of a technology's address ends with."""


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
    redis_url: str = field(default=settable()["redis"], repr=False)
    """The Redis that holds storages; `rediss://` for TLS."""
    default_technology: str = "redis"
    """Where storages live that name no technology: redis, relational, cassandra or search."""
    relational_url: str = field(default=settable()["relational"], repr=False)
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
    leaving_ms: int = 1_000
    """How long a models service that got SIGTERM says that it is not ready, and still answers, in milliseconds."""
    spool_mb: int = 1_000
    """Megabytes of decisions that a models service keeps on disk at most while Kafka is away; 0 = none."""
    intake_spool_mb: int = 0
    """Megabytes of events that `POST /events/{topic}` takes onto its disk at most while Kafka is away; 0 = none."""
    intake_spool_dir: Path = Path()
    """Folder of those events, on a disk that lasts; left out, `intake` in `state_dir`."""
    last_good_mb: int = 64
    """Megabytes of last good answers that a models service keeps of each endpoint type that gives some."""
    near_cache_mb: int = 64
    """Memory of the models service for rows that it has read from a Redis, in MB; 0 = it keeps none."""
    keys_file: Path = Path("millrace-keys.json")
    """File of the models service's keys, which `millrace keys` writes; while there is none, nobody is asked for one."""
    api_key: str = field(default="", repr=False)
    """Key that commands and clients show a models service."""
    allow_insecure_service: bool = False
    """Whether the models service may listen off this machine without keys: where its network lets nobody else in."""
    deployments: bool = False
    """Whether the models service takes products by `millrace deploy`, and workers follow what is deployed."""
    commit_interval_ms: int = 25
    """The longest time for which a learner gathers events before it commits, in milliseconds, from 1 to 2,000; where
    there is little to do, it is a fifth."""
    worker_memory_mb: int = 256
    """Megabytes of memory that a worker gives to events at most: fetched, waiting for a slow storage, not committed."""
    consumer_protocol: str = "classic"
    """How workers share a topic: classic, or consumer (KIP-848), by which a killed worker's partitions move later."""
    keep_versions: int = 1
    """So many versions of a storage below the one that is read are kept, to go back to."""
    keep_hours: int = 24
    """So many hours after a storage's name has moved nothing of it is removed."""
    archive_url: str = ""
    """Where events are archived: a folder, or `s3://bucket/prefix`; left out, `archive` in `state_dir`."""
    archive_options: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Options of that object store under their own names, such as `AWS_ENDPOINT_URL`."""
    archive_pii_key: str = field(default="", repr=False)
    """Secret by which an archive hides personal values: `id:secret`, the newest of several first, commas between."""
    archive_seconds: int = 30
    """So many seconds of events are archived together."""
    archive_days: int = 0
    """So many days of events an archive keeps; 0 = all."""
    archive_mb: int = 256
    """Megabytes of events that a process of `millrace archive run` keeps in memory at most."""
    jobs_webhook_url: str = field(default="", repr=False)
    """Address that is told of each run of a job that failed, by a POST of JSON; empty = nobody is."""
    jobs_at_once: int = 2
    """So many runs of jobs at most does `millrace jobs schedule` begin at the same time."""
    partitions: int = 4
    """Partitions of a topic that Millrace creates."""
    state_dir: Path = Path(".millrace")
    """Folder of the local stack (data, logs, process records) and of a service: spool, experiments, lifts, products."""
    kafka_options: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Options passed to librdkafka under its own names, such as `security.protocol`."""
    further_urls: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Addresses of the technologies that have no attribute here, by name; each is set as `<technology>_url`."""
    sources: Mapping[str, str] = field(default_factory=dict, repr=False, compare=False)
    """By setting what has set it: a file, or a variable; what is not here has its default."""

    @classmethod
    def load(cls, path: Path | None = None, environment: Mapping[str, str] | None = None) -> Settings:
        """Read `path` (default: `millrace.toml` in this folder, or `MILLRACE_FOLDER`, if it is there) and then the
        environment.

        Raises:
            SettingsError: an unknown name, or a value of the wrong type.
        """
        around = os.environ if environment is None else environment
        home = Path(around.get(FOLDER, ""))
        file = path or home / FILE
        values: dict[str, Any] = {}
        if file.exists():
            try:
                values = tomllib.loads(file.read_text("utf-8"))
            except tomllib.TOMLDecodeError as error:
                raise SettingsError(f"{file} is not valid TOML ({error}); correct that line.") from error
        elif path is not None:
            raise SettingsError(f"There is no settings file {path}; create it or leave the option out.")
        settings = cls()._with(values, str(file), dict.fromkeys(values, str(file.absolute())))
        variables = {
            name.removeprefix("MILLRACE_").lower(): value
            for name, value in around.items()
            if name.startswith("MILLRACE_") and name.removeprefix("MILLRACE_").lower() in known()
        }
        said = {name: f"the variable {_variable(name)}" for name in variables}
        return settings._with(variables, "the environment", said)._from(home)

    def _from(self, home: Path) -> Settings:
        """The same with paths that are right in any folder, if `home` is not this one."""
        if home == Path():
            return self
        usual = {item.name: item.default for item in fields(self) if isinstance(item.default, Path)}
        given = {name: getattr(self, name) for name in usual}
        paths = {name: home / path for name, path in given.items() if path != Path() or usual[name] != Path()}
        archive, sqlite = self.archive_url, "sqlite:///"
        urls = {"archive_url": str(home / archive) if archive and "://" not in archive else archive}
        if self.relational_url.startswith(sqlite):
            urls["relational_url"] = sqlite + str(home / self.relational_url.removeprefix(sqlite))
        options = {
            name: {
                key: str(home / value) if _is_file(key, value) else value for key, value in getattr(self, name).items()
            }
            for name in ("kafka_options", "archive_options")
        }
        return replace(self, **paths, **urls, **options)  # type: ignore[arg-type]

    def _with(self, values: Mapping[str, Any], source: str, said: Mapping[str, str]) -> Settings:
        changes: dict[str, Any] = {}
        further = dict(self.further_urls)
        for name, value in values.items():
            if name not in known():
                raise SettingsError(f"{source} sets {name!r}, which is no setting; known are {', '.join(known())}.")
            if name in _NAMES:
                changes[name] = _converted(name, value, getattr(self, name), source)
            else:
                further[name.removesuffix(URL)] = _converted(name, value, "", source)
        for name, possible in _CHOICES.items():
            if changes.get(name, possible[0]) not in possible:
                raise SettingsError(f"{source} sets {name} to {changes[name]!r}; possible are {', '.join(possible)}.")
        for name, least in _LEAST.items():
            if changes.get(name, least) < least:
                raise SettingsError(f"{source} sets {name} to {changes[name]}; it must be {least} or more.")
        for name, most in _MOST.items():
            if changes.get(name, most) > most:
                raise SettingsError(f"{source} sets {name} to {changes[name]}; it must be {most} or less.")
        return replace(self, **changes, further_urls=further, sources={**self.sources, **said})

    def source(self, name: str) -> str:
        """A sentence for people: what sets a setting, and where to set it where nothing does."""
        if name in self.sources:
            return f"{name} is set by {self.sources[name]}."
        return f"Neither {Path(FILE).absolute()} nor the variable {_variable(name)} sets {name}."

    @property
    def addresses(self) -> Mapping[str, str]:
        """Where each technology is, by its name; empty = there is none."""
        return {
            name: getattr(self, name + URL, self.further_urls.get(name, usual)) for name, usual in settable().items()
        }

    @property
    def service_url(self) -> str:
        """Address at which this machine reaches the models service."""
        return f"http://{self.service_host}:{self.service_port}"


_NAMES = tuple(item.name for item in fields(Settings) if item.name not in ("further_urls", "sources"))


def _variable(name: str) -> str:
    return f"MILLRACE_{name.upper()}"


def _is_file(option: str, value: str) -> bool:
    """Whether an option of librdkafka, or of an object store, names a file."""
    return option.lower().endswith((".location", ".keytab", "_file")) and value not in ("", "probe")


def known() -> tuple[str, ...]:
    """The names of all settings, the addresses of all technologies among them."""
    return tuple(dict.fromkeys([*_NAMES, *(name + URL for name in settable())]))


_CHOICES = {"consumer_protocol": ("classic", "consumer")}
_LEAST = {"worker_memory_mb": 32, "jobs_at_once": 1, "commit_interval_ms": 1}
_MOST = {"commit_interval_ms": 2_000}
"""A worker that is told to stop would come too late to it."""
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

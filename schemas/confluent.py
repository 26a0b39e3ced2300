"""Names and numbers of Confluent's HTTP API for registries."""

from __future__ import annotations

from typing import Literal

MEDIA_TYPE = "application/vnd.schemaregistry.v1+json"

NO_SUBJECT, NO_VERSION, NO_SCHEMA, NO_CONFIG = 40401, 40402, 40403, 40408
INCOMPATIBLE, INVALID_SCHEMA, INVALID_VERSION, INVALID_LEVEL = 409, 42201, 42202, 42203
LOG_UNAVAILABLE = 50003

MISSING: dict[int, Literal["subject", "version", "schema"]] = {
    NO_SUBJECT: "subject",
    NO_VERSION: "version",
    NO_SCHEMA: "schema",
}
"""What there is not, by an answer's code."""

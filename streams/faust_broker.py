"""Our settings of Kafka in Faust's words: addresses and who we are."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from typing import Any

from faust import SASLCredentials, SSLCredentials

from streams.errors import StreamError
from streams.kafka import LOGGER, Kafka

_KNOWN = {
    "security.protocol",
    "sasl.mechanism",
    "sasl.mechanisms",
    "sasl.username",
    "sasl.password",
    "ssl.ca.location",
    "ssl.certificate.location",
    "ssl.key.location",
    "ssl.key.password",
}
_SECURITY = ("security.", "sasl.", "ssl.", "enable.ssl.")
_MECHANISMS = {"PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"}


def broker_options(kafka: Kafka) -> dict[str, Any]:
    """Faust's settings for a cluster. Options of librdkafka about security become Faust's; others are not used, as
    Faust has another client.

    Raises:
        StreamError: an option about security that Faust's client cannot be given.
    """
    options = kafka.options
    unknown = sorted(name for name in options if name.startswith(_SECURITY) and name not in _KNOWN)
    if unknown:
        raise StreamError(f"Faust's Kafka client cannot be given {', '.join(unknown)} (kafka_options).")
    others = sorted(set(options) - _KNOWN)
    if others:
        LOGGER.info("Faust has a Kafka client of its own, which does without %s.", ", ".join(others))
    brokers = [f"kafka://{broker.strip()}" for broker in kafka.bootstrap.split(",")]
    return {"broker": brokers, **_credentials(options)}


def _credentials(options: Mapping[str, str]) -> dict[str, Any]:
    protocol = options.get("security.protocol", "plaintext").upper()
    context = _context(options) if protocol in ("SSL", "SASL_SSL") else None
    if protocol in ("SASL_SSL", "SASL_PLAINTEXT"):
        mechanism = options.get("sasl.mechanisms", options.get("sasl.mechanism", "GSSAPI"))
        if mechanism not in _MECHANISMS:
            raise StreamError(f"sasl.mechanism {mechanism} is not known to Faust here; {', '.join(_MECHANISMS)} are.")
        who = {"username": options.get("sasl.username"), "password": options.get("sasl.password")}
        return {"broker_credentials": SASLCredentials(**who, mechanism=mechanism, ssl_context=context)}
    if context is not None:
        return {"broker_credentials": SSLCredentials(context)}
    if protocol != "PLAINTEXT":
        raise StreamError(f"There is no security.protocol {protocol} (kafka_options).")
    return {}


def _context(options: Mapping[str, str]) -> ssl.SSLContext:
    """Certificates as the options name them; the server's is always checked."""
    context = ssl.create_default_context(cafile=options.get("ssl.ca.location"))
    if "ssl.certificate.location" in options:
        context.load_cert_chain(
            options["ssl.certificate.location"], options.get("ssl.key.location"), options.get("ssl.key.password")
        )
    return context

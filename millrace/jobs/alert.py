"""Tells a webhook of a run that failed."""

from __future__ import annotations

import logging

import httpx

LOGGER = logging.getLogger("millrace.jobs")
PATIENCE = 5.0
"""Seconds that the other side has to answer."""
_LONGEST = 2_000
"""Characters that are told of why."""


def tell(url: str, product: str, job: str, run: str, why: str) -> None:
    """POST what has failed, as JSON; nothing where there is no address. Blocks for `PATIENCE` at most.

    `text` is what chats show (Slack, Mattermost, Teams' workflows). Never raises: that it could not be told is in the
    log, without the address, which may be a secret.
    """
    if not url:
        return
    sentence = f"The job {job} of {product} has failed: {why[:_LONGEST]}"
    told = {"text": sentence, "product": product, "job": job, "run": run, "state": "failed", "why": why[:_LONGEST]}
    try:
        answer = httpx.post(url, json=told, timeout=PATIENCE, follow_redirects=False)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        LOGGER.warning("Nobody was told that run %s of %s failed: %s.", run, job, type(error).__name__)
        return
    if answer.status_code >= 300:
        LOGGER.warning(
            "Nobody was told that run %s of %s failed: the webhook answers %d.", run, job, answer.status_code
        )

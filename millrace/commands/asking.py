"""Asks a models service that runs, over HTTP; what goes wrong is one sentence."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    import httpx

To = Annotated[str | None, typer.Option(help="Address of the service, such as http://models:18080; the settings'.")]
PATIENCE = 30.0
"""Seconds that an answer may take: a change waits for Kafka."""


def asked(method: str, path: str, body: Mapping[str, Any] | None = None, to: str | None = None) -> Any:
    """The JSON that the service at `to` answers; None = that of the settings.

    Raises:
        MillraceError: it does not answer, or refuses; the message is its problem's detail.
    """
    from schemas.errors import MillraceError

    address = service_at(to) + path
    answer, found = answer_of(method, address, "Start it: millrace serve FOLDER", json=body)
    if answer.is_success:
        return found
    raise MillraceError(found.get("detail", f"{address} answered {answer.status_code}."))


def service_at(to: str | None) -> str:
    """The address that was given, or that of the settings, without a slash at its end."""
    from millrace.settings import Settings

    return (to or Settings.load().service_url).rstrip("/")


def answer_of(
    method: str, address: str, otherwise: str, *, timeout: float = PATIENCE, **sent: Any
) -> tuple[httpx.Response, Any]:
    """What is answered at an address, and its JSON; the key of the settings is shown.

    Args:
        otherwise: what to do where nobody answers, for the message.
        sent: as `httpx.request` takes it.

    Raises:
        MillraceError: nobody answers, or the key is not good for what is asked.
    """
    import httpx

    from millrace.settings import Settings
    from schemas.errors import MillraceError
    from serving.api_key import authorization

    headers = authorization(Settings.load().api_key)
    try:
        answer = httpx.request(method, address, timeout=timeout, headers=headers, **sent)
        _must_be_let_in(answer, given=bool(headers))
        return answer, answer.json()
    except (httpx.HTTPError, ValueError) as error:
        why = str(error).rstrip(".") or type(error).__name__
        raise MillraceError(f"No models service answers at {address} ({why}). {otherwise}") from error


def _must_be_let_in(answer: httpx.Response, given: bool) -> None:
    """Check that the service has let us in. Raises MillraceError: it wants a key, or another one than was given."""
    from schemas.errors import MillraceError

    if answer.status_code in (401, 403):
        try:
            why = str(answer.json()["detail"])
        except (ValueError, KeyError, TypeError):
            why = f"it answered {answer.status_code}."
        what = "the key that was given" if given else "those who give no key"
        todo = "Give another one" if given else "Give one"
        raise MillraceError(f"{answer.url} refuses {what}: {why} {todo} as MILLRACE_API_KEY.")

"""`millrace keys create`, `list`, `rotate` and `revoke`: who may ask a models service, and for what."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from millrace.commands.output import Output, OutputOption, say, warn, write_json, write_rows
from millrace.commands.span import span_of

if TYPE_CHECKING:
    from serving.access.key_file import KeyFile
    from serving.access.keys import Key, Scope

app = typer.Typer(no_args_is_help=True)
Name = Annotated[str, typer.Argument(help="The key's name, as the audit log has it: letters, digits, . _ -")]


@app.command()
def create(
    name: Name,
    scope: Annotated[list[str], typer.Option(help="answer, emit, deploy or admin, which is all; once for each.")],
    rate: Annotated[str | None, typer.Option(help="So many requests at most: 500/s, 30/min, 1000/h.")] = None,
    expires: Annotated[str | None, typer.Option(help="After so long it is good for nothing: 90d.")] = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """Make a key, and print its secret: once, as only a hash of it is kept. Running services know it within a second.

    Example: millrace keys create shop --scope answer --scope emit --rate 500/s --expires 90d
    """
    from serving.access.keys import Scope, minted
    from serving.errors import KeyRefused

    file = _file()
    first = file.read() is None
    with file.edited() as keys:
        if any(key.name == name for key in keys):
            raise KeyRefused(f"There is a key {name}; rotate it (millrace keys rotate {name}), or take another name.")
        until = None if expires is None else span_of("--expires", expires)
        key, secret = minted(name, _scopes(scope), datetime.now(UTC), rate=rate, expires=until)
        keys.append(key)
    _tell(key, secret, output)
    if first:
        console = "" if Scope.ADMIN in key.scopes else " For the console make one with the scope admin."
        warn(f"{file.path} holds the first key: services that read it ask everybody for one from now on.{console}")


@app.command(name="list")
def list_(output: OutputOption = Output.TABLE) -> None:
    """Every key with its scopes; secrets are nowhere.

    Example: millrace keys list
    """
    rows = [
        {
            "name": key.name,
            "scopes": ", ".join(key.scopes),
            "rate": key.rate,
            "expires": None if key.expires is None else key.expires.isoformat(),
            "state": _state(key, datetime.now(UTC)),
            "created": key.created.isoformat(),
            "id": key.id,
        }
        for key in _file().read() or ()
    ]
    write_rows(rows, output, "There is no key; on this machine nobody is asked for one. millrace keys create --help")


@app.command()
def rotate(
    name: Name,
    overlap: Annotated[str, typer.Option(help="For so long the secret before is good too; 0s = not at all.")] = "24h",
    output: OutputOption = Output.TABLE,
) -> None:
    """Give a key a new secret, and print it. The one before stays good for a while, so that nothing stops.

    Example: millrace keys rotate shop --overlap 1h
    """
    from serving.access.keys import rotated

    with _file().edited() as keys:
        place = _place(keys, name)
        keys[place], secret = rotated(keys[place], datetime.now(UTC), span_of("--overlap", overlap))
        key = keys[place]
    _tell(key, secret, output)
    if len(key.secrets) > 1 and key.secrets[0].until is not None:
        warn(f"The secret before is good until {key.secrets[0].until:%Y-%m-%d %H:%M} UTC.")


@app.command()
def revoke(name: Name) -> None:
    """Remove a key: within a second it is good for nothing, and sessions that began with it end.

    Example: millrace keys revoke shop
    """
    with _file().edited() as keys:
        del keys[_place(keys, name)]
        left = len(keys)
    say(f"Revoked {name}." + ("" if left else " No key is left, so that nobody may ask the service for anything."))


def _file() -> KeyFile:
    from millrace.settings import Settings
    from serving.access.key_file import KeyFile

    return KeyFile(Settings.load().keys_file)


def _place(keys: list[Key], name: str) -> int:
    from serving.errors import KeyRefused

    for place, key in enumerate(keys):
        if key.name == name:
            return place
    raise KeyRefused(f"There is no key {name!r}; there are {', '.join(key.name for key in keys) or 'none'}.")


def _tell(key: Key, secret: str, output: Output) -> None:
    """The secret alone on stdout, for a program or a vault; what it is on stderr."""
    if output is Output.JSON:
        write_json({"name": key.name, "id": key.id, "scopes": key.scopes, "expires": key.expires, "secret": secret})
        return
    warn(f"The secret of {key.name} ({', '.join(key.scopes)}), shown this once:")
    say(secret)


def _state(key: Key, now: datetime) -> str:
    if key.expires is not None and key.expires <= now:
        return "expired"
    before = [secret.until for secret in key.secrets[:-1] if secret.until is not None and secret.until > now]
    return f"two secrets until {before[0]:%Y-%m-%d %H:%M} UTC" if before else "good"


def _scopes(given: list[str]) -> list[Scope]:
    from serving.access.keys import Scope
    from serving.errors import KeyRefused

    for one in given:
        if one not in set(Scope):
            raise KeyRefused(f"There is no scope {one!r}; scopes are {', '.join(Scope)}.")
    return [Scope(one) for one in given]

"""Commands that speak to a server: where it is, which key to use, and in which form to answer."""

import functools
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from llm_incident_manager.app.cli.failures import Failed, failures_told
from llm_incident_manager.app.cli.output import Output
from llm_incident_manager.client.address import DEFAULT_URL, is_loopback

if TYPE_CHECKING:
    from llm_incident_manager.client.incident_client import IncidentClient


class Session:
    """What such a command works with."""

    def __init__(self, client: "IncidentClient", output: Output) -> None:
        self.client = client
        self.output = output


def output_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add ``--output`` to a command."""
    option = click.option(
        "--output",
        "-o",
        type=click.Choice(["table", "json"]),
        default="table",
        help="A table for people (the default) or JSON for scripts.",
    )
    return option(command)


def server_command(group: click.Group, name: str, **attributes: Any) -> Callable[[Callable[..., Any]], click.Command]:
    """Return a decorator that adds a command with ``--url``, ``--tenant`` and ``--output`` to ``group``.

    The function gets a :class:`Session`, then its own arguments.
    """

    def decorate(function: Callable[..., Any]) -> click.Command:
        @functools.wraps(function)
        def run(url: str, tenant: str | None, output: str, **arguments: Any) -> Any:
            with failures_told(as_json=output == "json"), open_client(url, tenant) as client:
                return function(Session(client, Output(output)), **arguments)

        located = click.option("--url", envvar="LIM_URL", default=DEFAULT_URL, help="Where the server is (LIM_URL).")
        owned = click.option("--tenant", envvar="LIM_TENANT", help="Act in this tenant; for platform keys.")
        return group.command(name, **attributes)(located(owned(output_option(run))))

    return decorate


def local_command(group: click.Group, name: str, **attributes: Any) -> Callable[[Callable[..., Any]], click.Command]:
    """Return a decorator that adds a command which needs no server; the function gets an :class:`Output` first."""

    def decorate(function: Callable[..., Any]) -> click.Command:
        @functools.wraps(function)
        def run(output: str, **arguments: Any) -> Any:
            with failures_told(as_json=output == "json"):
                return function(Output(output), **arguments)

        return group.command(name, **attributes)(output_option(run))

    return decorate


def open_client(url: str, tenant: str | None = None) -> "IncidentClient":
    """Return a client with the key that belongs to ``url``."""
    from llm_incident_manager.client.incident_client import IncidentClient

    if not url.startswith(("http://", "https://")):
        raise click.UsageError(f"LIM_URL: {url!r} is no address; write it like {DEFAULT_URL}")
    return IncidentClient(url, key_for(url), tenant=tenant)


def key_for(url: str) -> str | None:
    """Return ``LIM_API_KEY``; for a server on this machine else its bootstrap key or the key of its first start.

    Raises Failed where ``LIM_API_KEY`` cannot be a key.
    """
    key = os.environ.get("LIM_API_KEY", "").strip()
    if key:
        if not key.isascii() or not key.isprintable() or " " in key:
            raise Failed("LIM_API_KEY holds spaces or signs that no key has; was it cut or pasted twice?")
        return key
    if not is_loopback(url):
        return None
    return os.environ.get("BOOTSTRAP_API_KEY", "").strip() or _kept_key()


def _kept_key() -> str | None:
    folder = os.environ.get("DATA_DIR", "").strip()
    database = os.environ.get("DB_PATH", "").strip()
    place = Path(folder) if folder else Path(database).parent if database else Path("data")
    try:
        return (place / "admin.key").read_text(encoding="ascii").strip() or None
    except (OSError, UnicodeDecodeError):
        return None

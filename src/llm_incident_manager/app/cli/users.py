"""``users``: sign-in links and test pages."""

import sys

import click

from llm_incident_manager.app.cli.session import Session, server_command
from llm_incident_manager.app.cli.text import instant


@click.group()
def users() -> None:
    """Sign people in, and test that they can be reached."""


@server_command(users, "link")
@click.argument("user")
def link(session: Session, user: str) -> None:
    """Print USER's personal one-time sign-in link; what they do is then recorded in their name."""
    made = session.client.on_item("users", user, "sign_in_links")
    if session.output.is_json:
        session.output.json(made)
        return
    session.output.say(made["url"])
    click.echo(f"works once, until {instant(made.get('expires_at'))}; hand it to nobody but {user}", err=True)


@server_command(users, "test-page")
@click.argument("user")
def test_page(session: Session, user: str) -> None:
    """Page USER now by every contact and say how each went; exit code 1 if none was accepted."""
    made = session.client.on_item("users", user, "test_page")
    output = session.output
    if output.is_json:
        output.json(made)
    else:
        output.table(
            ["page", "channel", "outcome", "why not"],
            [
                (each["id"], each["channel"], "accepted" if each["delivered"] else "failed", each["reason"])
                for each in made["notifications"]
            ],
        )
    if not made["delivered"]:
        sys.exit(1)


@server_command(users, "list")
def list_users(session: Session) -> None:
    """List the people who can be paged."""
    found = list(session.client.items("users"))
    output = session.output
    if output.is_json:
        output.json({"users": found})
        return
    output.table(
        ["user", "name", "role", "time zone", "contacts"],
        [
            (
                each["id"],
                each.get("name"),
                each.get("role"),
                each.get("time_zone"),
                ", ".join(each.get("contacts") or {}),
            )
            for each in found
        ],
        empty="no users yet; the config file or POST /api/v1/users adds them",
    )

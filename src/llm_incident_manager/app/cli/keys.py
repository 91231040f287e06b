"""``keys``: API keys, made, rotated and revoked (SEC-01)."""

from typing import Any

import click

from llm_incident_manager.app.cli.session import Session, server_command
from llm_incident_manager.app.cli.text import instant
from llm_incident_manager.domain.vocabulary import Scope


@click.group()
def keys() -> None:
    """Make, list, rotate and revoke API keys."""


@server_command(keys, "create")
@click.argument("name")
@click.option(
    "--scope", "scopes", multiple=True, required=True, type=click.Choice([each.value for each in Scope]),
    help="What it may do; may be given several times.",
)  # fmt: skip
@click.option("--for-tenant", "tenant_id", help="The tenant it acts in; else your own.")
@click.option("--source", help="Bound to this source: it acts as an integration.")
@click.option("--user", "user_id", help="Bound to this person: what it does is recorded in their name.")
@click.option("--rotate-after-days", type=click.IntRange(1, 3650), help="When rotation is due; 90 if not said.")
@click.option("--expires-at", metavar="WHEN", help="When it ends, an instant with its zone; else never.")
@click.option("--format", type=click.Choice(["32"]), help="32 characters, where a vendor's client insists on them.")
def create(session: Session, scopes: tuple[str, ...], **given: Any) -> None:
    """Make an API key called NAME and print it, this once."""
    wanted = {name: value for name, value in given.items() if value is not None}
    _tell_once(session, session.client.make("api_keys", {**wanted, "scopes": list(scopes)}))


@server_command(keys, "list")
def list_keys(session: Session) -> None:
    """List keys without their secrets: what each may do, when it was used, whether rotation is due."""
    found = list(session.client.items("api_keys"))
    output = session.output
    if output.is_json:
        output.json({"api_keys": found})
        return
    output.table(
        ["key", "name", "may", "bound to", "made", "last used", "state"],
        [
            (
                each["id"],
                each["name"],
                ", ".join(each["scopes"]),
                each.get("source") or each.get("user_id"),
                instant(each.get("created_at")),
                instant(each.get("last_used_at")),
                _state(each),
            )
            for each in found
        ],
    )


@server_command(keys, "rotate")
@click.argument("key_id", metavar="KEY")
@click.option("--overlap-seconds", type=click.FloatRange(0, 2_592_000), help="How long the old one goes on; a day.")
def rotate(session: Session, key_id: str, overlap_seconds: float | None) -> None:
    """Make a successor of KEY and print it, this once; the old one goes on for the overlap."""
    fields = None if overlap_seconds is None else {"overlap_seconds": overlap_seconds}
    _tell_once(session, session.client.on_item("api_keys", key_id, "rotate", fields))


@server_command(keys, "revoke")
@click.argument("key_id", metavar="KEY")
def revoke(session: Session, key_id: str) -> None:
    """End KEY now, for good."""
    session.client.remove("api_keys", key_id)
    if session.output.is_json:
        session.output.json({"id": key_id, "status": "revoked"})
    else:
        session.output.say(f"{key_id} is revoked; every node refuses it within 5 seconds")


def _tell_once(session: Session, made: dict[str, Any]) -> None:
    if session.output.is_json:
        session.output.json(made)
        return
    session.output.say(str(made["key"]))
    click.echo(f"{made['id']}: this key is shown only now; keep it where secrets are kept", err=True)


def _state(key: dict[str, Any]) -> str:
    if key.get("revoked_at"):
        return f"revoked {instant(key['revoked_at'])}"
    if key.get("replaced_by"):
        return f"replaced by {key['replaced_by']}, ends {instant(key.get('expires_at'))}"
    if key.get("rotation_due"):
        return "rotation is due"
    return f"ends {instant(key['expires_at'])}" if key.get("expires_at") else "in use"

"""``encryption``: the keys that members of events are encrypted with, made, shown and changed (SEC-04)."""

import click

from llm_incident_manager.app.cli.session import Session, server_command
from llm_incident_manager.engine.keyring import new_key


@click.group()
def encryption() -> None:
    """Make keys for encrypted members, and change them."""


@encryption.command("new-key")
@click.argument("key_id", metavar="ID")
def make_key(key_id: str) -> None:
    """Print a new key called ID, as ENCRYPTION_KEYS takes it; it is kept nowhere."""
    click.echo(f"{key_id}:{new_key()}")


@server_command(encryption, "keys")
def show_keys(session: Session) -> None:
    """Say which keys the server has; no key itself is shown."""
    found = session.client.encryption_keys()
    if session.output.is_json:
        session.output.json(found)
        return
    older = ", ".join(each for each in found["keys"] if each != found["active"])
    session.output.facts([("encrypts", found["active"] or "none"), ("only reads", older or "none")])


@server_command(encryption, "rotate")
def rotate(session: Session) -> None:
    """Encrypt everything again that an older key encrypted; it may be stopped and begun again at any time."""
    totals = {"looked_at": 0, "rewritten": 0, "unreadable": 0}
    cursor: str | None = None
    while True:
        step = session.client.rotate_encryption(cursor)
        for name in totals:
            totals[name] += step[name]
        cursor = step["next_cursor"]
        if cursor is None:
            break
    if session.output.is_json:
        session.output.json(totals)
        return
    session.output.say(f"{totals['rewritten']} encrypted again, of {totals['looked_at']} looked at")
    if totals["unreadable"]:
        session.output.say(f"{totals['unreadable']} cannot be read: their keys are not among the server's")

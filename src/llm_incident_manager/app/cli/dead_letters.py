"""``dead-letters``: what could not be processed."""

import sys

import click

from llm_incident_manager.app.cli.session import Session, server_command
from llm_incident_manager.app.cli.text import instant
from llm_incident_manager.client.errors import Refused


@click.group("dead-letters")
def dead_letters() -> None:
    """See, replay or discard what could not be processed."""


@server_command(dead_letters, "list")
@click.option("--limit", default=100, show_default=True, type=click.IntRange(1, 10_000))
def list_letters(session: Session, limit: int) -> None:
    """List dead letters, newest first."""
    found = []
    for letter in session.client.items("dead_letters"):
        found.append(letter)
        if len(found) == limit:
            break
    output = session.output
    if output.is_json:
        output.json({"dead_letters": found})
        return
    output.table(
        ["letter", "when", "source", "tries", "why"],
        [
            (
                each["id"],
                instant(each.get("at") or each.get("created_at")),
                each.get("source"),
                each.get("attempts"),
                each.get("reason"),
            )
            for each in found
        ],
        empty="no dead letters: everything that came in was processed",
    )


@server_command(dead_letters, "replay")
@click.argument("letters", nargs=-1, required=True, metavar="LETTER…")
def replay(session: Session, letters: tuple[str, ...]) -> None:
    """Take each LETTER in again; exit code 1 if one is still wrong."""
    _each(session, letters, "replayed")


@server_command(dead_letters, "discard")
@click.argument("letters", nargs=-1, required=True, metavar="LETTER…")
def discard(session: Session, letters: tuple[str, ...]) -> None:
    """Throw each LETTER away for good."""
    _each(session, letters, "discarded")


def _each(session: Session, letters: tuple[str, ...], done: str) -> None:
    rows: list[tuple[str, str, str | None]] = []
    failed = False
    for letter in session.output.progress(letters, done):
        try:
            if done == "replayed":
                answer = session.client.on_item("dead_letters", letter, "replay")
                rows.append((letter, str(answer.get("status", done)), answer.get("incident_id")))
            else:
                session.client.remove("dead_letters", letter)
                rows.append((letter, done, None))
        except Refused as refused:
            if len(letters) == 1:
                raise
            failed = True
            rows.append((letter, f"refused: {refused.detail}", None))
    if session.output.is_json:
        names = ("id", "result", "incident_id")
        session.output.json({"dead_letters": [dict(zip(names, row, strict=True)) for row in rows]})
    else:
        session.output.table(["letter", "result", "incident"], rows)
    if failed:
        sys.exit(1)

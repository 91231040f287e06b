"""``audit``: prove that the trail is whole, and take it away (AUD-06)."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from llm_incident_manager.app.cli.failures import Failed
from llm_incident_manager.app.cli.session import Session, server_command
from llm_incident_manager.app.cli.text import harmless
from llm_incident_manager.client.errors import Unreachable


@click.group()
def audit() -> None:
    """Verify and export the audit trail."""


@server_command(audit, "verify")
@click.argument("file", required=False)
@click.option("--against", metavar="OLDER", help="An export kept from before: what it saw must still be there.")
@click.option("--since", help="Only incidents that changed since this date, or instant with zone; server's check only.")
@click.option("--limit", type=click.IntRange(1), help="At most so many links; server's check only.")
def verify(session: Session, file: str | None, against: str | None, since: str | None, limit: int | None) -> None:
    """Check every hash chain: the server's own, or offline those of FILE, an export; exit code 1 if one does not hold.

    With --against the server's trail (or FILE) is read link by link and compared with the older export, so that a cut
    tail or a missing incident shows. Where no server runs, the older export is checked alone, and that is said.
    """
    if (file or against) and (since or limit):
        raise click.UsageError("--since and --limit belong to the server's own check; leave them out here")
    if file is None and against is None:
        found = session.client.verify_audit(since=since, limit=limit)
    else:
        found = _compared(session, file, against)
    if session.output.is_json:
        session.output.json(found)
    elif found["valid"]:
        session.output.say(f"the audit trail holds: {found['checked']} links checked")
    else:
        session.output.say(f"THE AUDIT TRAIL DOES NOT HOLD: {_place(found.get('first_fault'))}")
        session.output.say(f"  {found['checked']} links were checked")
    if not found["valid"]:
        sys.exit(1)


@server_command(audit, "export")
@click.argument("file", default="-")
def export(session: Session, file: str) -> None:
    """Write the whole trail to FILE (- for standard output) as JSON lines, for `audit verify FILE`."""
    lines = session.client.export_audit()
    if file == "-":
        terminal = sys.stdout.isatty()
        for line in lines:
            # A file or pipe gets every byte as it was signed; only a screen is protected.
            click.echo(harmless(line) if terminal else line)
        return
    count = 0
    with Path(file).open("w", encoding="utf-8", newline="\n") as target:
        for line in lines:
            target.write(line + "\n")
            count += 1
    if session.output.is_json:
        session.output.json({"file": file, "lines": count})
    else:
        session.output.say(f"{count} lines written to {file}")


def _compared(session: Session, file: str | None, against: str | None) -> dict[str, Any]:
    from llm_incident_manager.engine.proof.export import verify_export

    found: dict[str, Any]
    if against is None:
        assert file is not None
        found = verify_export(_lines(file))
        return found
    kept: dict[str, Any] = verify_export(_lines(against))
    if not kept["valid"]:
        raise Failed(f"{against} does not hold itself: {_place(kept['first_fault'])}", kept)
    lines = _lines(file) if file is not None else session.client.export_audit()
    try:
        found = verify_export(lines, against=_lines(against))
    except Unreachable as away:
        if not away.connection_refused:
            raise
        click.echo(f"no server runs at {away.url}: {against} was checked alone, and compared with nothing", err=True)
        return kept
    return found


def _lines(path: str) -> Iterator[str]:
    # surrogateescape: bytes that are no text are a fault of that line, not the end of the check.
    with Path(path).open(encoding="utf-8", errors="surrogateescape", newline="\n") as source:
        yield from source


def _place(fault: object) -> str:
    if not isinstance(fault, dict):
        return str(fault)
    return ", ".join(f"{name} {value}" for name, value in fault.items() if value is not None)

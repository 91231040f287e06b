"""``config``: check a file before anything starts, see what it would change, apply it."""

import os
from collections import Counter
from pathlib import Path
from typing import Any

import click

from llm_incident_manager.app.cli.failures import Failed
from llm_incident_manager.app.cli.output import Output
from llm_incident_manager.app.cli.session import Session, local_command, server_command


@click.group()
def config() -> None:
    """Check, compare and reload the config file."""


@local_command(config, "check")
@click.argument("file", required=False)
@click.pass_context
def check(context: click.Context, output: Output, file: str | None) -> None:
    """Check FILE (else CONFIG_FILE) whole, without a server: every fault with its line; exit code 1 if there is one."""
    given: dict[str, str | None] = context.find_root().obj or {}
    path = file or given.get("config") or os.environ.get("CONFIG_FILE")
    if not path:
        raise click.UsageError("name the file, or set CONFIG_FILE")
    from llm_incident_manager.app.config_channels import channel_checks
    from llm_incident_manager.app.config_file import ConfigFileInvalid, read_config_file
    from llm_incident_manager.engine.templates import check as check_template

    try:
        read = read_config_file(
            Path(path), environment=os.environ, check_channels=channel_checks(), check_template=check_template
        )
    except ConfigFileInvalid as wrong:
        faults = [_fault(each) for each in wrong.found]
        number = len(faults)
        told = f"{wrong.message}\n{path} cannot be used: {number} fault{'s' if number > 1 else ''}"
        raise Failed(told, {"valid": False, "faults": faults}) from None
    counts = {tenant: dict(Counter(item.kind for item in items)) for tenant, items in read.tenants.items()}
    if output.is_json:
        output.json({"valid": True, "tenants": counts, "notes": [_fault(note) for note in read.notes]})
        return
    for note in read.notes:
        output.say(f"note: {note}")
    output.say(f"{path} can be used")
    for tenant, kinds in counts.items():
        listed = ", ".join(f"{number} {kind.replace('_', ' ')}" for kind, number in sorted(kinds.items()))
        output.say(f"  tenant {tenant}: {listed or 'nothing'}")


@server_command(config, "diff")
def diff(session: Session) -> None:
    """Show what `config reload` would change."""
    _tell(session, session.client.call("GET", "/config/diff"), "would change")


@server_command(config, "reload")
def reload(session: Session) -> None:
    """Let the server read its config file again; a wrong file changes nothing and is refused with every fault."""
    _tell(session, session.client.call("POST", "/config/reload"), "changed")


def _tell(session: Session, found: dict[str, Any], verb: str) -> None:
    output = session.output
    if output.is_json:
        output.json(found)
        return
    output.table(
        ["tenant", "what", "id", "change"],
        [
            (each["tenant"], each["kind"].replace("_", " "), each["id"], each["change"].replace("_", " "))
            for each in found["changes"]
        ],
        empty=f"nothing {verb}: the server has what {found['file']} says",
    )
    for note in found["notes"]:
        output.say(f"note: {note}")


def _fault(fault: Any) -> dict[str, Any]:
    return {"file": fault.file, "line": fault.line, "field": fault.path, "message": fault.message}

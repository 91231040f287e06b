"""``correlation``: see what cross-source keys would fold before they do."""

import os
from pathlib import Path
from typing import Any

import click

from llm_incident_manager.app.cli.failures import Failed
from llm_incident_manager.app.cli.session import Session, server_command


@click.group()
def correlation() -> None:
    """Look at cross-source keys."""


@server_command(correlation, "preview")
@click.option("--config", "file", metavar="FILE", help="Take the keys of this config file, not those that are set.")
@click.option("--hours", type=click.IntRange(1, 720), default=24, show_default=True, help="How far to look back.")
def preview(session: Session, file: str | None, hours: int) -> None:
    """Say which incidents of the last hours the keys would have made one; nothing changes."""
    wanted: dict[str, Any] = {"hours": hours}
    if file is not None:
        wanted["keys"] = _keys(file)
    found = session.client.preview_folds(wanted)
    output = session.output
    if output.is_json:
        output.json(found)
        return
    output.table(
        ["key", "incidents that have it", "spared"],
        [
            (each["name"] if each["enabled"] else f"{each['name']} (off)", each["matched"], each["folded"])
            for each in found["keys"]
        ],
        empty="no cross-source key is set; write some under correlation: in a config file, and name it with --config",
    )
    for group in found["groups"]:
        output.say(f"\n{group['cross_key']}: {group['key']}")
        output.table(
            ["severity", "id", "source", "title", "opened", "resolved"],
            [
                (each["severity"], each["id"], each["source"], each["title"], each["created_at"], each["resolved_at"])
                for each in group["incidents"]
            ],
        )
    if found["keys"] and not found["groups"]:
        output.say(f"of {found['looked_at']} incidents of the last {hours} hours none would have been folded")


def _keys(file: str) -> list[Any]:
    """Return the keys of a config file's tenant ``default``; the whole file is checked."""
    from llm_incident_manager.app.config_channels import channel_checks
    from llm_incident_manager.app.config_file import read_config_file

    read = read_config_file(Path(file), environment=os.environ, check_channels=channel_checks())
    documents = [item.document for item in read.tenants.get("default", ()) if item.kind == "correlation"]
    keys: list[Any] = documents[0].get("keys", []) if documents else []
    if not keys:
        raise Failed(f"{file} has no cross-source keys; write them as correlation: {{keys: […]}}")
    return keys

"""``routes``: rehearse where an event would go."""

import json
from typing import Any

import click

from llm_incident_manager.app.cli.failures import Failed
from llm_incident_manager.app.cli.sending import read_input
from llm_incident_manager.app.cli.session import Session, server_command
from llm_incident_manager.app.cli.text import duration
from llm_incident_manager.domain.vocabulary import Category, Environment


@click.group()
def routes() -> None:
    """Look at routing."""


@server_command(routes, "test")
@click.argument("file", required=False)
@click.option("--severity", help="P0 to P4, or a source's own word.")
@click.option("--category", type=click.Choice([each.value for each in Category]))
@click.option("--source")
@click.option("--environment", type=click.Choice([each.value for each in Environment]))
@click.option("--tag", multiple=True, metavar="KEY=VALUE")
@click.option("--title")
def test(session: Session, file: str | None, tag: tuple[str, ...], **given: str | None) -> None:
    """Say which route, policy, people and channels an event would get, and why; nothing is sent.

    The event comes from FILE (- for standard input), from the options, or both; what is missing is assumed.
    """
    event = _event(file) | {name: value for name, value in given.items() if value is not None}
    if tag:
        event["tags"] = {**(event.get("tags") or {}), **dict(_pair(each) for each in tag)}
    found = session.client.test_route(event)
    output = session.output
    if output.is_json:
        output.json(found)
        return
    output.facts(
        [
            ("severity", found["severity"]),
            ("because", found.get("severity_reason")),
            ("route", found.get("route") or "none matches"),
            ("policy", found.get("policy") or "the table by severity"),
            ("goes to", found.get("team") or found.get("user") or "nobody by route"),
            ("because", found.get("reason")),
        ]
    )
    output.table(
        ["level", "after", "who", "channel", "skipped because"],
        [
            (level["level"], duration(level["after_seconds"]), person["name"], person["channel"], person["skipped"])
            for level in found["levels"]
            for person in level["people"] or [_NOBODY]
        ],
        empty="nobody would be told",
    )
    for looked_at in found.get("considered") or []:
        output.say(f"  {looked_at}")


_NOBODY = {"name": "nobody", "channel": None, "skipped": "the level reaches nobody"}


def _event(file: str | None) -> dict[str, Any]:
    if file is None:
        return {}
    try:
        event = json.loads(read_input(file))
    except ValueError as error:
        raise Failed(f"{file} is not JSON: {error}") from None
    if not isinstance(event, dict):
        raise Failed(f"{file} must hold one event, an object; it holds {type(event).__name__}")
    return event


def _pair(written: str) -> tuple[str, str]:
    name, found, value = written.partition("=")
    if not found or not name:
        raise click.UsageError(f"--tag {written!r}: write it KEY=VALUE, as in --tag team=search")
    return name, value

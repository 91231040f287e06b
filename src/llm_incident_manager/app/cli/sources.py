"""``sources``: what they sent, how those do that are asked, and what one makes of a tool's request."""

import click

from llm_incident_manager.app.cli.sending import read_input
from llm_incident_manager.app.cli.session import Session, server_command

_WOULD = {
    "opens": "open an incident",
    "joins": "join {incident}",
    "ends": "end {incident}",
    "kept": "be kept and open nothing",
    "duplicate": "count nothing: it is known",
}


@click.group()
def sources() -> None:
    """Look at sources."""


@server_command(sources, "traffic")
def traffic(session: Session) -> None:
    """Say what each source sent since the server started, what was refused and why, and which is limited now."""
    found = session.client.source_traffic()
    output = session.output
    if output.is_json:
        output.json(found)
        return
    output.say(f"since {found['since']}")
    output.table(
        ["source", "accepted", "payload not kept", "refused", "last refused", "limited until"],
        [
            (
                each["source"],
                each["accepted"],
                each["without_payload"],
                ", ".join(f"{reason} {number}" for reason, number in each["refused"].items()),
                each["last_refused_at"],
                each["limited_until"],
            )
            for each in found["sources"]
        ],
    )


@server_command(sources, "test")
@click.argument("name")
@click.argument("file")
def test(session: Session, name: str, file: str) -> None:
    """Say what source NAME makes of FILE (- for standard input), a body as the tool sends it; nothing is stored.

    Shows each event, its severity with the reason, and the incident that it would join.
    """
    found = session.client.test_source(name, read_input(file))
    output = session.output
    if output.is_json:
        output.json(found)
        return
    output.facts([("source", found["source"]), ("read by", found["plugin"])])
    for each in found["events"]:
        event = each["event"]
        if event is None:
            output.table(["field", "what is wrong"], [(fault["field"], fault["message"]) for fault in each["errors"]])
            continue
        output.facts(
            [
                ("title", event["title"]),
                ("severity", each["severity"]),
                ("because", each["severity_reason"]),
                ("category", event["category"]),
                ("resource", f"{event['resource']['type']} {event['resource']['id']}"),
                ("tags", ", ".join(f"{key}={value}" for key, value in sorted(event["tags"].items())) or "none"),
                ("dedup key", event["dedup_key"] or "none; category, resource, title and environment decide"),
                ("event id", event["event_id"]),
                *([("folded by", "{name}: {key}".format(**each["cross_key"]))] if each.get("cross_key") else []),
                ("it would", _WOULD[each["would"]].format(incident=each["incident_id"])),
            ]
        )
    for act in found["acts"]:
        output.say(f"  {act['kind']} the incident of {act['dedup_key'] or act['incident_id']}")
    if not found["events"] and not found["acts"]:
        output.say("nothing in it would open or change an incident")


@server_command(sources, "polls")
def polls(session: Session) -> None:
    """Show the sources that are asked (mode: pull): when each answered last, and what went wrong."""
    found = session.client.polls()
    output = session.output
    if output.is_json:
        output.json(found)
        return
    output.table(
        ["source", "read by", "state", "answered last", "next", "what went wrong"],
        [
            (
                each["source"],
                each["plugin"] or "no plugin",
                each["state"],
                each["last_success_at"] or "never",
                each["next_poll_at"] or "not asked",
                each["error"] or each["note"],
            )
            for each in found
        ],
        empty="no source is asked; set mode: pull and endpoint on one",
    )

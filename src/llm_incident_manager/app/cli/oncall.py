"""``oncall``: who is on call now, and who is next."""

from typing import Any

import click

from llm_incident_manager.app.cli.session import Session, server_command
from llm_incident_manager.app.cli.text import instant


@click.group()
def oncall() -> None:
    """Ask the schedules who is on call."""


_AT = click.option("--at", metavar="WHEN", help="At this instant with its zone, as in 2027-01-04T09:00:00Z; else now.")


@server_command(oncall, "who")
@click.argument("schedule", required=False)
@_AT
def who(session: Session, schedule: str | None, at: str | None) -> None:
    """Say who is on call on SCHEDULE, or on every schedule."""
    wanted = [schedule] if schedule else [str(each["id"]) for each in session.client.items("schedules")]
    found = {each: session.client.on_call(each, at) for each in session.output.progress(wanted, "schedules")}
    output = session.output
    if output.is_json:
        output.json({"schedules": [{"id": name, **answer} for name, answer in found.items()]})
        return
    output.table(
        ["schedule", "on call", "until", "next"],
        [(name, _people(each), instant(each.get("until")), ", ".join(each["next"])) for name, each in found.items()],
        empty="no schedules yet; the config file or POST /api/v1/schedules adds them",
    )


@server_command(oncall, "show")
@click.argument("schedule")
@_AT
def show(session: Session, schedule: str, at: str | None) -> None:
    """Show SCHEDULE: its layers, its overrides, and who is on call."""
    document = session.client.item("schedules", schedule)
    answer = session.client.on_call(schedule, at)
    output = session.output
    if output.is_json:
        output.json({**document, "now": answer})
        return
    output.heading(f"{document.get('name') or schedule} ({document.get('time_zone', 'UTC')})")
    output.facts(
        [
            ("at", instant(answer.get("at"))),
            ("on call", _people(answer)),
            ("until", instant(answer.get("until"))),
            ("next", ", ".join(answer["next"]) or "nobody"),
        ]
    )
    output.heading("Layers")
    output.table(
        ["layer", "turn", "hand-off", "from", "people"], [_layer(each) for each in document.get("layers") or []]
    )
    if document.get("overrides"):
        output.heading("Overrides")
        output.table(
            ["who", "from", "to"],
            [(each["user"], instant(each["start"]), instant(each["end"])) for each in document["overrides"]],
        )


def _people(answer: dict[str, Any]) -> str:
    if answer["on_call"]:
        return ", ".join(answer["on_call"])
    return f"nobody: {answer['gap']}" if isinstance(answer.get("gap"), str) else "nobody"


def _layer(layer: dict[str, Any]) -> tuple[object, ...]:
    turn: dict[str, Any] = layer.get("rotation") or {}
    length = turn.get("length", 1)
    kind = str(turn.get("type", ""))
    return (
        layer.get("name"),
        kind if length == 1 else f"{kind} × {length}",
        turn.get("hand_off"),
        turn.get("starts"),
        ", ".join(map(str, turn.get("users") or [])),
    )

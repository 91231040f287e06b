"""``schedules``: shift by shift, gaps and overlaps, overrides, swaps, and calendars."""

from typing import Any

import click

from llm_incident_manager.app.cli.session import Session, server_command
from llm_incident_manager.app.cli.text import instant

_REASONS = {
    "no_layers": "no layers",
    "not_started": "before the first hand-off",
    "ended": "after the last shift",
    "restricted": "outside the layers' hours",
    "empty_turn": "a turn that nobody has",
    "together": "on call together",
    "overrides": "overrides cover each other; the last counts",
}


@click.group()
def schedules() -> None:
    """Look at on-call schedules and arrange who stands in for whom."""


_START = click.option("--start", metavar="WHEN", help="From this instant with its zone on; else now.")
_END = click.option("--end", metavar="WHEN", help="Until this instant with its zone.")


@server_command(schedules, "shifts")
@click.argument("schedule")
@_START
@_END
def shifts(session: Session, schedule: str, start: str | None, end: str | None) -> None:
    """List who is on call on SCHEDULE, shift by shift; a month where no end is given."""
    answer = session.client.of_schedule(schedule, "shifts", start=start, end=end)
    if session.output.is_json:
        session.output.json(answer)
        return
    rows = [
        (", ".join(each["users"]) or "nobody", instant(each["start"]), instant(each["end"]), _why(each))
        for each in answer["shifts"]
    ]
    session.output.table(["on call", "from", "to", "because of"], rows)


@server_command(schedules, "gaps")
@click.argument("schedule", required=False)
@_START
@_END
def find_gaps(session: Session, schedule: str | None, start: str | None, end: str | None) -> None:
    """Name the gaps and overlaps of SCHEDULE, or of every schedule, in the next twelve months.

    The exit code is 1 where there is a gap.
    """
    wanted = [schedule] if schedule else [str(each["id"]) for each in session.client.items("schedules")]
    found = [
        session.client.of_schedule(each, "coverage", start=start, end=end)
        for each in session.output.progress(wanted, "schedules")
    ]
    if session.output.is_json:
        session.output.json({"schedules": found})
    else:
        rows = [
            (each["schedule"], what, instant(one["start"]), instant(one["end"]), _told(one))
            for each in found
            for what, many in (("gap", each["gaps"]), ("overlap", each["overlaps"]))
            for one in many
        ]
        session.output.table(["schedule", "what", "from", "to", "why"], rows, empty="neither gaps nor overlaps")
    if any(each["gaps"] for each in found):
        raise click.exceptions.Exit(1)


@server_command(schedules, "override")
@click.argument("schedule")
@click.argument("user")
@click.argument("start")
@click.argument("end")
@click.option("--reason", help="Shown beside it.")
def override(session: Session, schedule: str, user: str, start: str, end: str, reason: str | None) -> None:
    """Put USER on call on SCHEDULE from START to END, instants with their zone."""
    document = {"schedule": schedule, "user": user, "start": start, "end": end, "reason": reason}
    _made(session, session.client.make("overrides", _given(document)), f"{user} takes over on {schedule}")


@server_command(schedules, "swap")
@click.argument("schedule")
@click.argument("user")
@click.argument("start")
@click.argument("end")
@click.option("--by", help="Who stands in; without, it is an offer that changes nothing yet.")
@click.option("--return-start", metavar="WHEN", help="In return USER stands in for --by from here on …")
@click.option("--return-end", metavar="WHEN", help="… until here.")
@click.option("--reason", help="Shown beside it.")
def swap(session: Session, schedule: str, user: str, start: str, end: str, **more: str | None) -> None:
    """Give USER's shifts on SCHEDULE from START to END to somebody else."""
    document = {"schedule": schedule, "user": user, "start": start, "end": end, **more}
    by = more.get("by")
    said = f"{by} stands in for {user} on {schedule}" if by else f"{user}'s shifts on {schedule} are offered"
    _made(session, session.client.make("swaps", _given(document)), said)


@server_command(schedules, "take-swap")
@click.argument("swap_id")
@click.argument("user")
def take_swap(session: Session, swap_id: str, user: str) -> None:
    """Let USER stand in, as the offer SWAP_ID asks."""
    document = session.client.item("swaps", swap_id)
    answer = session.client.replace("swaps", swap_id, {**document, "by": user})
    _made(session, answer, f"{user} stands in for {document['user']} on {document['schedule']}")


@server_command(schedules, "calendar")
@click.argument("schedule")
@_START
@_END
@click.option("--rules", is_flag=True, help="The rules it is made of, not the shifts that come of them.")
def calendar(session: Session, schedule: str, start: str | None, end: str | None, rules: bool) -> None:
    """Write SCHEDULE as iCalendar."""
    view = "rules" if rules else None
    for line in session.client.calendar(schedule, start=start, end=end, view=view):
        click.echo(line)


@server_command(schedules, "link")
@click.argument("schedule", required=False)
@click.option("--user", help="The shifts of one person, on every schedule.")
@click.option("--end", is_flag=True, help="End the link instead.")
def link(session: Session, schedule: str | None, user: str | None, end: bool) -> None:
    """Make the secret address under which calendar programs find SCHEDULE; the one before it ends."""
    if (schedule is None) is (user is None):
        raise click.UsageError("name a schedule, or a person with --user")
    kind, item = ("schedules", schedule) if schedule is not None else ("users", user)
    if end:
        session.client.end_calendar_link(kind, str(item))
        session.output.say("the link leads nowhere any more")
        return
    answer = session.client.on_item(kind, str(item), "calendar_link")
    if session.output.is_json:
        session.output.json(answer)
    else:
        session.output.say(answer["url"])


def _made(session: Session, document: dict[str, Any], said: str) -> None:
    if session.output.is_json:
        session.output.json(document)
    else:
        session.output.say(f"{said}, {instant(document['start'])} to {instant(document['end'])}: {document['id']}")


def _given(document: dict[str, str | None]) -> dict[str, str]:
    return {name: value for name, value in document.items() if value is not None}


def _why(shift: dict[str, Any]) -> str:
    return str({"layer": shift["via"], "nobody": "–"}.get(shift["why"], shift["why"]))


def _told(found: dict[str, Any]) -> str:
    reason = _REASONS.get(found["reason"], found["reason"])
    return f"{', '.join(found['users'])}: {reason}" if "users" in found else reason

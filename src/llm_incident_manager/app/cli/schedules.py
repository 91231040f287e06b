"""``schedules``: shift by shift, gaps and overlaps, overrides, swaps, and calendars."""

import json
from typing import Any

import click

from llm_incident_manager.app.cli.failures import Failed
from llm_incident_manager.app.cli.sending import read_input
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


@server_command(schedules, "calendars")
@click.argument("schedule")
def calendars(session: Session, schedule: str) -> None:
    """Say how the calendars are that layers of SCHEDULE come from; the exit code is 1 where one fails."""
    found = session.client.of_schedule(schedule, "calendars")["calendars"]
    if session.output.is_json:
        session.output.json({"calendars": found})
    else:
        rows = [
            (each["layer"], each["state"], each["shifts"], instant(each["failing_since"]), each["error"] or "–",
             ", ".join(each["unknown"]) or "–")
            for each in found
        ]  # fmt: skip
        columns = ["layer", "state", "shifts", "failing since", "because", "unknown people"]
        session.output.table(columns, rows, empty="no layer of it is a calendar elsewhere")
    if any(each["state"] == "failing" for each in found):
        raise click.exceptions.Exit(1)


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


@server_command(schedules, "import")
@click.argument("file")
@click.option("--from", "tool", required=True, type=click.Choice(["opsgenie", "pagerduty", "grafana-oncall"]))
@click.option("--dry-run", is_flag=True, help="Translate and compare; store nothing.")
@click.option("--map", "mapped", multiple=True, metavar="THEIRS=OURS", help="Who is who, where names differ.")
@click.option("--all", "every", is_flag=True, help="List every shift, not only those that differ.")
def import_schedules(
    session: Session, file: str, tool: str, dry_run: bool, mapped: tuple[str, ...], every: bool
) -> None:
    """Bring in FILE (- for standard input), what another tool's API answers, and compare shift by shift.

    The exit code is 1 where a schedule could not be brought in or a shift differs.
    """
    try:
        document = json.loads(read_input(file))
    except ValueError as wrong:
        raise Failed(f"{file} is not JSON: {wrong}") from None
    if not isinstance(document, dict):
        document = {"schedules": document}
    given = dict(each.partition("=")[::2] for each in mapped)
    if given:
        document = {**document, "map": given}
    answer = session.client.import_schedules(tool, document, dry_run=dry_run)
    if session.output.is_json:
        session.output.json(answer)
    else:
        for each in answer["schedules"]:
            _report(session, each, every=every)
    if any(_differs(each) for each in answer["schedules"]):
        raise click.exceptions.Exit(1)


def _report(session: Session, found: dict[str, Any], *, every: bool) -> None:
    output, parity = session.output, found["parity"] or {"compared": 0, "same": 0, "rows": []}
    output.heading(f"{found['name']} ({found['id']}): {'imported' if found['imported'] else 'not stored'}")
    for note in found["notes"]:
        output.say(f"note: {note}")
    for fault in found["faults"]:
        output.say(f"fault: {fault['field']} {fault['message']}")
    if not parity["compared"]:
        output.say("nothing to compare with: the file holds no shifts that the other tool worked out")
        return
    output.say(f"{parity['same']} of {parity['compared']} shifts are the same")
    rows = [
        (instant(row["start"]), instant(row["end"]), *(", ".join(row[who]) or "nobody" for who in ("theirs", "ours")),
         "same" if row["same"] else "differs")
        for row in parity["rows"]
        if every or not row["same"]
    ]  # fmt: skip
    output.table(["from", "to", "there", "here", ""], rows, empty="no shift differs")


def _differs(found: dict[str, Any]) -> bool:
    parity = found["parity"]
    return bool(found["faults"]) or (parity is not None and parity["same"] != parity["compared"])


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

"""``incidents``: list, show, and everything one may do to them (RES-01, UI-02)."""

from typing import Any

import click

from llm_incident_manager.app.cli.incident_story import show_incident
from llm_incident_manager.app.cli.session import Session, server_command
from llm_incident_manager.app.cli.text import instant
from llm_incident_manager.domain.vocabulary import Action, Category, Environment, Severity, Status


@click.group()
def incidents() -> None:
    """List incidents, show one, act on it."""


def _words(kind: Any) -> click.Choice[str]:
    return click.Choice([each.value for each in kind], case_sensitive=False)


@server_command(incidents, "list")
@click.option("--status", multiple=True, type=_words(Status), help="May be given several times.")
@click.option("--severity", multiple=True, type=_words(Severity))
@click.option("--category", multiple=True, type=_words(Category))
@click.option("--environment", multiple=True, type=_words(Environment))
@click.option("--source", multiple=True)
@click.option("--assigned-to", multiple=True, metavar="USER")
@click.option("--assigned-team", multiple=True, metavar="TEAM")
@click.option("--tag", multiple=True, metavar="KEY:VALUE")
@click.option("--query", "-q", "q", metavar="TEXT", help="Words in the title and description.")
@click.option("--start", metavar="WHEN", help="Opened from this date, or instant with zone, on.")
@click.option("--end", metavar="WHEN", help="Opened before this instant, or up to and including this date.")
@click.option("--sort", help="created_at, updated_at, severity …; a - before it turns the order.")
@click.option("--open", "only_open", is_flag=True, help="Only what is neither RESOLVED nor CLOSED.")
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1, 500))
@click.option("--cursor", help="The next page, as the page before named it.")
def list_incidents(session: Session, only_open: bool, **filters: Any) -> None:
    """List incidents; several values of one filter are ORed."""
    if only_open:
        filters["status"] = tuple(each.value for each in Status if each.is_open)
    filters = {name: list(value) if isinstance(value, tuple) else value for name, value in filters.items()}
    page = session.client.incidents(**filters)
    output = session.output
    if output.is_json:
        output.json(page)
        return
    output.table(
        ["incident", "sev", "status", "title", "source", "events", "owner", "opened", "next step"],
        [
            (
                each["id"],
                each["severity"],
                each["status"],
                each["title"],
                each["source"],
                each.get("event_count"),
                each.get("assigned_to") or each.get("assigned_team"),
                instant(each["created_at"]),
                instant((each.get("ladder") or {}).get("next_at")),
            )
            for each in page["incidents"]
        ],
        empty="no incident matches",
    )
    shown, total = len(page["incidents"]), page.get("total", 0)
    if shown:
        output.say(f"{shown} of {'at least ' if page.get('total_at_least') else ''}{total}")
    if page.get("next_cursor"):
        output.say(f"more: --cursor {page['next_cursor']}")


@server_command(incidents, "show")
@click.argument("incident_id", metavar="INCIDENT")
def show(session: Session, incident_id: str) -> None:
    """Show one incident: what, who, when, the ladder, the story."""
    incident = session.client.incident(incident_id)
    timeline = list(session.client.timeline(incident["id"]))
    if session.output.is_json:
        session.output.json({**incident, "timeline": timeline})
    else:
        show_incident(session.output, incident, timeline)


def tell_outcome(session: Session, incident: dict[str, Any], done: str) -> None:
    """Print where an incident stands after a command."""
    if session.output.is_json:
        session.output.json(incident)
        return
    owner = incident.get("assigned_to") or incident.get("assigned_team") or "nobody"
    allowed = ", ".join(incident.get("allowed_actions") or []) or "nothing"
    session.output.say(f"{incident['id']} {done}: {incident['status']}, {owner} has it; allowed now: {allowed}")


_DOES = {
    Action.ACKNOWLEDGE: "Say that you have seen a NEW incident; stops its acknowledgment deadline.",
    Action.START_WORK: "Say that work on it began.",
    Action.ESCALATE: "Move it to the next level by hand.",
    Action.DE_ESCALATE: "Take it back from ESCALATED to IN_PROGRESS.",
    Action.REOPEN: "Bring it back from RESOLVED or CLOSED.",
    Action.CLOSE: "Close what is RESOLVED.",
}


def _add_action(action: Action, help_text: str) -> None:
    @server_command(incidents, action.value, help=help_text)
    @click.argument("incident_id", metavar="INCIDENT")
    @click.option("--note", help="What to write beside it on the timeline.")
    def act(session: Session, incident_id: str, note: str | None) -> None:
        fields = {"note": note} if note else None
        tell_outcome(session, session.client.act(incident_id, action.value, fields), f"after {action.value}")


for _action, _help in _DOES.items():
    _add_action(_action, _help)


@server_command(incidents, "take")
@click.argument("incident_id", metavar="INCIDENT")
def take(session: Session, incident_id: str) -> None:
    """Make it yours wherever the ladder stands; harmless when repeated."""
    tell_outcome(session, session.client.act(incident_id, "take"), "taken")


@server_command(incidents, Action.RESOLVE.value)
@click.argument("incident_id", metavar="INCIDENT")
@click.option("--root-cause", help="Why it happened.")
@click.option("--notes", "resolution_notes", help="How it was mended.")
@click.option("--playbook", "playbook_used", help="The playbook that was followed.")
@click.option("--walk", is_flag=True, help="Take the legal steps that are missing first.")
def resolve(session: Session, incident_id: str, walk: bool, **given: str | None) -> None:
    """Say that the trouble is over, and how it ended."""
    fields = {name: value for name, value in given.items() if value}
    tell_outcome(session, session.client.act(incident_id, Action.RESOLVE.value, fields, walk=walk), "resolved")


@server_command(incidents, "assign")
@click.argument("incident_id", metavar="INCIDENT")
@click.option("--user", "user_id", help="The id of a user.")
@click.option("--team", "team_id", help="The id of a team.")
def assign(session: Session, incident_id: str, user_id: str | None, team_id: str | None) -> None:
    """Hand it to a user, a team or both."""
    if not user_id and not team_id:
        raise click.UsageError("name --user, --team or both")
    tell_outcome(session, session.client.assign(incident_id, user_id=user_id, team_id=team_id), "assigned")


@server_command(incidents, "comment")
@click.argument("incident_id", metavar="INCIDENT")
@click.argument("text")
def comment(session: Session, incident_id: str, text: str) -> None:
    """Write TEXT on its timeline."""
    tell_outcome(session, session.client.comment(incident_id, text), "has your comment")

"""``import``: bring in what other tools know."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import click

from llm_incident_manager.app.cli.failures import Failed
from llm_incident_manager.app.cli.sending import read_input
from llm_incident_manager.app.cli.session import Session, server_command

LONGEST_REST_SECONDS = 1.0


@click.group("import")
def imports() -> None:
    """Bring in history from other tools."""


@server_command(imports, "statuspage")
@click.argument("file")
@click.option("--live", is_flag=True, help="Send it again as fresh events instead: incidents open, people are paged.")
@click.option("--speed", default=3600.0, show_default=True, type=click.FloatRange(0, min_open=True),
              help="With --live: how many times faster than it happened.")  # fmt: skip
def statuspage(session: Session, file: str, live: bool, speed: float) -> None:
    """Bring in FILE (- for standard input): what a status page's /api/v2/incidents.json answers.

    Every incident that ended is opened, acknowledged, worked on and resolved at the instants on record, and nobody is
    paged for the past; imported twice changes nothing.
    """
    content = read_input(file)
    answer = _replay(session, content, speed) if live else session.client.import_statuspage(content)
    if session.output.is_json:
        session.output.json(answer)
    else:
        counts = [(name.replace("_", " "), value) for name, value in answer.items() if name != "faults"]
        session.output.facts(counts)
        faults = [(fault["field"], fault["message"]) for fault in answer.get("faults") or []]
        session.output.table(["left out", "because"], faults, empty="everything could be read")


def _replay(session: Session, content: bytes, speed: float) -> dict[str, Any]:
    from llm_incident_manager.domain.events.document import parse
    from llm_incident_manager.sources.statuspage import as_events, read_history

    history = read_history(parse(content))
    events = as_events(history, start=datetime.now(UTC), speed=speed)
    if not events:
        raise Failed("the file holds no incident to send")
    span = (events[-1].at - events[0].at).total_seconds()
    session.output.say(f"{len(events)} events of {history.page_name} within {span:.0f} s; Ctrl-C ends it")
    counts = {"accepted": 0, "duplicate": 0}
    for due in session.output.progress(events, "events"):
        for rest in _rests(due.at):
            time.sleep(rest)
        answer = session.client.send(due.document)
        counts[answer["status"]] = counts.get(answer["status"], 0) + 1
    faults = [{"field": fault.field, "message": fault.message} for fault in history.faults]
    return {"source": history.source, "events": len(events), **counts, "faults": faults}


def _rests(until: datetime) -> Iterator[float]:
    """Yield short rests until then, so that Ctrl-C is heard at once."""
    while (left := (until - datetime.now(UTC)).total_seconds()) > 0:
        yield min(left, LONGEST_REST_SECONDS)

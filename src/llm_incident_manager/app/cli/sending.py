"""``send``: hand in an event or a batch from a file or a pipe."""

import sys
from pathlib import Path
from typing import Any

import click

from llm_incident_manager.app.cli.failures import Failed
from llm_incident_manager.app.cli.session import Session, server_command


def read_input(path: str) -> bytes:
    """Return a file's bytes, standard input for ``-``; raises Failed where it cannot be read."""
    try:
        return sys.stdin.buffer.read() if path == "-" else Path(path).read_bytes()
    except OSError as error:
        raise Failed(f"{path} cannot be read: {error.strerror or error}") from None


def add_send(group: click.Group) -> None:
    """Add ``send`` to the program."""

    @server_command(group, "send", short_help="Hand in an event, or a batch, from a file or a pipe.")
    @click.argument("file")
    def send(session: Session, file: str) -> None:
        """Hand in FILE (- for standard input): one event, or a batch as a list or {batch_id, timestamp, events, count}.

        Exit code 1 if anything was rejected.
        """
        content = read_input(file)
        if not content.strip():
            raise Failed(f"{file} is empty; it must hold an event, or a batch of events, as JSON")
        answer = session.client.send_text(content)
        rejected = _tell(session, answer)
        if rejected:
            sys.exit(1)


def _tell(session: Session, answer: dict[str, Any]) -> int:
    """Print the answer and return how many events were rejected."""
    output = session.output
    rejected = int(answer.get("rejected") or 0)
    if output.is_json:
        output.json(answer)
        return rejected
    if "results" not in answer:
        output.say(f"{answer['status']}: {answer['event_id']} → {answer.get('incident_id') or 'no incident'}")
        output.say(f"  {answer.get('message', '')}")
        return rejected
    output.say(f"accepted {answer['accepted']}, duplicates {answer['duplicates']}, rejected {rejected}")
    faults = [
        (number, each.get("event_id"), fault.get("field"), fault.get("message"))
        for number, each in enumerate(answer["results"])
        for fault in each.get("errors") or []
    ]
    if faults:
        output.table(["number", "event", "field", "what is wrong"], faults)
    opened: dict[str, int] = {}
    for each in answer["results"]:
        if each.get("incident_id"):
            opened[each["incident_id"]] = opened.get(each["incident_id"], 0) + 1
    if opened:
        output.table(["incident", "events of this batch"], list(opened.items()))
    return rejected

"""The calls of the REST contract under the names that people use for them."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any
from urllib.parse import quote

from llm_incident_manager.client.connection import Connection

Document = dict[str, Any]


class IncidentClient(Connection):
    """A running incident manager, as documents with the names of the REST contract.

    Every call raises :class:`~llm_incident_manager.client.errors.Refused` or
    :class:`~llm_incident_manager.client.errors.Unreachable`.
    """

    def send(self, event: Any) -> Document:
        """Hand in one event, or a batch (a list, or an object with ``events``); return the server's answer."""
        answer: Document = self.call("POST", "/events", body=event)
        return answer

    def send_text(self, content: bytes) -> Document:
        """Hand in an event or a batch that is JSON already, untouched."""
        answer: Document = self.call("POST", "/events", content=content)
        return answer

    def incidents(self, **filters: Any) -> Document:
        """Return one page, ``{incidents, next_cursor, total}``; a list given to a filter is ORed."""
        page: Document = self.call("GET", "/incidents", parameters=filters)
        return page

    def incident(self, incident_id: str) -> Document:
        """Return one incident."""
        found: Document = self.call("GET", _incident(incident_id))
        return found

    def timeline(self, incident_id: str) -> Iterator[Document]:
        """Yield the entries of its story in the server's order, all pages."""
        return self.pages(f"{_incident(incident_id)}/timeline", "entries", parameters={"limit": 500})

    def act(
        self, incident_id: str, action: str, fields: Mapping[str, Any] | None = None, *, walk: bool = False
    ) -> Document:
        """Take an action (``take``, ``acknowledge`` …) and return the incident after it.

        Refused with ``allowed_actions`` where the status forbids it.
        """
        parameters = {"walk": "true"} if walk else None
        path = f"{_incident(incident_id)}/{quote(action, safe='')}"
        after: Document = self.call("POST", path, parameters=parameters, body=dict(fields) if fields else None)
        return after

    def assign(self, incident_id: str, *, user_id: str | None = None, team_id: str | None = None) -> Document:
        """Hand it to a user, a team or both."""
        wanted = {name: value for name, value in (("user_id", user_id), ("team_id", team_id)) if value is not None}
        return self.act(incident_id, "assign", wanted)

    def comment(self, incident_id: str, text: str) -> Document:
        """Write something on its timeline."""
        return self.act(incident_id, "comments", {"text": text})

    def items(self, plural: str, **parameters: Any) -> Iterator[Document]:
        """Yield all users, teams, schedules, dead letters … by the list's name in the contract."""
        return self.pages(f"/{plural}", plural, parameters={"limit": 500, **parameters})

    def item(self, plural: str, item_id: str) -> Document:
        """Return one of them."""
        found: Document = self.call("GET", f"/{plural}/{quote(item_id, safe='')}")
        return found

    def make(self, plural: str, document: Mapping[str, Any]) -> Document:
        """Create one of them and return it as stored."""
        made: Document = self.call("POST", f"/{plural}", body=dict(document))
        return made

    def remove(self, plural: str, item_id: str) -> None:
        """Delete, discard or revoke one of them."""
        self.call("DELETE", f"/{plural}/{quote(item_id, safe='')}")

    def on_item(self, plural: str, item_id: str, verb: str, fields: Mapping[str, Any] | None = None) -> Document:
        """Do something with one of them (``rotate`` a key, ``replay`` a dead letter, ``test_page`` a user)."""
        path = f"/{plural}/{quote(item_id, safe='')}/{verb}"
        answer: Document = self.call("POST", path, body=dict(fields) if fields else None)
        return answer

    def on_call(self, schedule_id: str, at: str | None = None) -> Document:
        """Return ``{at, on_call, until, next, gap}`` of a schedule, now or at an instant."""
        path = f"/schedules/{quote(schedule_id, safe='')}/on_call"
        found: Document = self.call("GET", path, parameters={"at": at})
        return found

    def of_schedule(self, schedule_id: str, what: str, **parameters: Any) -> Document:
        """Return the ``shifts`` or the ``coverage`` of a schedule, bounded by ``start`` and ``end``."""
        path = f"/schedules/{quote(schedule_id, safe='')}/{what}"
        found: Document = self.call("GET", path, parameters=parameters)
        return found

    def calendar(self, schedule_id: str, **parameters: Any) -> Iterable[str]:
        """Yield the lines of a schedule as iCalendar; ``start``, ``end``, ``view``."""
        return self.lines(f"/schedules/{quote(schedule_id, safe='')}.ics", parameters=parameters)

    def end_calendar_link(self, plural: str, item_id: str) -> None:
        """End the secret link to the calendar of a schedule or a user."""
        self.call("DELETE", f"/{plural}/{quote(item_id, safe='')}/calendar_link")

    def replace(self, plural: str, item_id: str, document: Mapping[str, Any]) -> Document:
        """Put a document in the place of the one with this id and return it as stored."""
        stored: Document = self.call("PUT", f"/{plural}/{quote(item_id, safe='')}", body=dict(document))
        return stored

    def test_route(self, event: Mapping[str, Any]) -> Document:
        """Return which route, policy, people and channels an event would get; nothing is sent."""
        found: Document = self.call("POST", "/routes/test", body=dict(event))
        return found

    def test_source(self, name: str, content: bytes) -> Document:
        """Return what source ``name`` would make of a tool's request; nothing is stored."""
        found: Document = self.call("POST", f"/sources/{quote(name, safe='')}/test", content=content)
        return found

    def source_traffic(self) -> Document:
        """Return ``{since, sources}``: what each source sent to that node, and what of it was refused."""
        found: Document = self.call("GET", "/source_traffic")
        return found

    def preview_folds(self, wanted: Mapping[str, Any]) -> Document:
        """Return what cross-source keys (``keys``, else those that are set) would have folded in the last ``hours``."""
        found: Document = self.call("POST", "/correlation/preview", body=dict(wanted))
        return found

    def polls(self) -> list[Document]:
        """Return how each source does that is asked."""
        found: list[Document] = self.call("GET", "/polls")["polls"]
        return found

    def encryption_keys(self) -> Document:
        """Return ``{active, keys}``: the ids of the keys that the server encrypts members of events with."""
        found: Document = self.call("GET", "/encryption")
        return found

    def rotate_encryption(self, cursor: str | None = None) -> Document:
        """Encrypt some hundred again with the active key; repeat with ``next_cursor`` until that is null."""
        found: Document = self.call("POST", "/encryption/rotate", parameters={"cursor": cursor})
        return found

    def import_statuspage(self, content: bytes) -> Document:
        """Bring in a status page's history and return the counts; imported twice changes nothing."""
        counts: Document = self.call("POST", "/imports/statuspage", content=content)
        return counts

    def import_schedules(self, tool: str, document: Mapping[str, Any], *, dry_run: bool = False) -> Document:
        """Bring in schedules of another tool and return what became of each, with its parity."""
        parameters = {"from": tool, "dry_run": "true" if dry_run else None}
        answer: Document = self.call("POST", "/imports/schedules", parameters=parameters, body=dict(document))
        return answer

    def verify_audit(self, *, since: str | None = None, limit: int | None = None) -> Document:
        """Return ``{valid, checked, first_fault}`` of the server's own check."""
        found: Document = self.call("GET", "/audit/verify", parameters={"since": since, "limit": limit})
        return found

    def export_audit(self, **bounds: Any) -> Iterable[str]:
        """Yield the audit trail as JSON lines, for an offline check."""
        return self.lines("/audit/export", parameters=bounds)

    def metrics(self, **parameters: Any) -> Document:
        """Return figures over incidents: ``start``, ``end``, ``group_by``."""
        found: Document = self.call("GET", "/metrics/incidents", parameters=parameters)
        return found


def _incident(incident_id: str) -> str:
    return f"/incidents/{quote(incident_id, safe='')}"

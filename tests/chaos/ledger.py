"""What the load sent and what was answered to it; at the end every promise is looked up."""

import random
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

SOURCE = "llm-sentinel"
SEVERITIES = ("critical", "high", "medium")


@dataclass
class Sent:
    """One event. ``incident_id`` is what its first 202 said; ``answered`` is false while no answer ever came."""

    event_id: str
    resource: str
    severity: str
    answered: bool = False
    incident_id: str | None = None
    tries: int = 0

    @property
    def document(self) -> dict[str, Any]:
        """The event as it is posted, each time the same but for its time."""
        return {
            "event_id": self.event_id,
            "source": SOURCE,
            "timestamp": datetime.now(UTC).isoformat(),
            "event_type": "latency_spike",
            "category": "performance",
            "title": "Latency is ten times the usual",
            "description": "p99 is 12 s",
            "severity": self.severity,
            "resource": {"type": "service", "id": self.resource, "name": self.resource},
            "tags": {"environment": "production"},
        }


@dataclass
class Ledger:
    """Everything sent and answered in one run."""

    chance: random.Random
    sent: dict[str, Sent] = field(default_factory=dict)
    resources: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    taken: set[str] = field(default_factory=set)
    resolved: set[str] = field(default_factory=set)
    touched: set[str] = field(default_factory=set)
    """Resources of incidents for which somebody asked an end, answered or not."""
    counts: Counter[str] = field(default_factory=Counter)

    def an_event(self, share_of_new: float) -> Sent:
        """Return an event that was never sent, of a resource that is new or known."""
        if not self.resources or self.chance.random() < share_of_new:
            self.resources.append(f"service-{len(self.resources):05d}")
            resource = self.resources[-1]
        else:
            # The youngest half the time, so that repeats meet incidents that are not triaged yet.
            resource = self.chance.choice(self.resources[-3:] if self.chance.random() < 0.5 else self.resources)
        severity = SEVERITIES[hash_of(resource) % len(SEVERITIES)]
        event = Sent(f"event-{len(self.sent):06d}", resource, severity)
        self.sent[event.event_id] = event
        return event

    def accepted(self) -> list[Sent]:
        """Return every event that was answered 202."""
        return [event for event in self.sent.values() if event.answered]

    def answer(self, event: Sent, status: str, incident_id: str | None, *, known: bool) -> None:
        """Note the answer to one event; ``known``: it had been answered before this was sent."""
        if status not in ("accepted", "duplicate"):
            self.faults.append(f"{event.event_id} was answered {status}")
            return
        if known and status != "duplicate":
            self.faults.append(f"{event.event_id} was sent again after its 202 and answered {status}")
        if event.answered and incident_id != event.incident_id:
            self._moved(event, incident_id)
        if status == "duplicate" and event.tries == 1:
            self.faults.append(f"{event.event_id} was sent once and answered duplicate")
        event.answered = True
        event.incident_id = event.incident_id or incident_id
        self.counts[status] += 1

    def _moved(self, event: Sent, incident_id: str | None) -> None:
        if event.resource in self.touched:
            # Accepted for an incident that was resolved before its triage: it counts in the one after it.
            self.counts["moved behind a resolve"] += 1
        else:
            self.faults.append(f"{event.event_id} was answered {event.incident_id}, and later {incident_id}")

    # -- the end

    def check_counts(self, incidents: Iterable[dict[str, Any]], *, exact: bool) -> None:
        """Every accepted event is counted once, over all incidents of its fingerprint."""
        counted: Counter[str] = Counter()
        for incident in incidents:
            counted[incident["resource"]["id"]] += incident["event_count"]
        answered = Counter(event.resource for event in self.accepted())
        sent = Counter(event.resource for event in self.sent.values())
        for resource in sent:
            low, high = answered[resource], answered[resource] if exact else sent[resource]
            if not low <= counted[resource] <= high:
                self.faults.append(f"{resource}: {low} events were answered 202 and {counted[resource]} are counted")
        for resource in counted.keys() - sent.keys():
            self.faults.append(f"{resource} was never sent and has an incident")

    def check_open(self, incidents: Iterable[dict[str, Any]]) -> None:
        """One fingerprint has one open incident at most, and what people did stands."""
        by_id = {incident["id"]: incident for incident in incidents}
        still_open = Counter(each["resource"]["id"] for each in by_id.values() if each["status"] != "RESOLVED")
        self.faults += [f"{name} has {number} open incidents" for name, number in still_open.items() if number > 1]
        for incident_id in self.taken:
            if by_id.get(incident_id, {}).get("status") in (None, "NEW", "ESCALATED"):
                self.faults.append(f"{incident_id} was taken (200) and is not")
        for incident_id in self.resolved:
            if by_id.get(incident_id, {}).get("status") != "RESOLVED":
                self.faults.append(f"{incident_id} was resolved (200) and is not")


def hash_of(name: str) -> int:
    """Return a number that depends on the name alone (``hash`` differs from run to run)."""
    return sum(name.encode())

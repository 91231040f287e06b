"""The webhook's side of a chaos run: every incident was paged, repeats carry the same id, every signature holds."""

import hashlib
import hmac
from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

from tests.contract.fakes.receiver import Received

LATE = timedelta(seconds=2)
"""The receiver may read a page so long after it was sent: it shares a loop with the load."""


class PageCheck:
    """Looks through what the receiver got; ``faults`` and ``figures`` say what it found."""

    def __init__(self, requests: list[Received], kills: Sequence[tuple[datetime, datetime]], secret: str) -> None:
        self.faults: list[str] = []
        self.figures: dict[str, int] = {}
        self._requests = requests
        self._kills = kills
        self._secret = secret

    def look(self, incidents: Sequence[dict[str, Any]]) -> None:
        """Check every page against the list of all incidents."""
        opened: dict[str, set[str]] = defaultdict(set)
        by_id: dict[str, list[Received]] = defaultdict(list)
        for request in self._requests:
            page = request.json
            self._check_signature(request, page["notification_id"])
            by_id[page["notification_id"]].append(request)
            if page["type"] == "incident_created":
                opened[page["incident"]["id"]].add(page["notification_id"])
        for incident in incidents:
            ids = opened.pop(incident["id"], set())
            if len(ids) != 1:
                wanted = "no page" if not ids else f"{len(ids)} different pages: {sorted(ids)}"
                self.faults.append(f"{incident['id']} ({incident['status']}) got {wanted}")
        self.faults += [f"a page speaks of {incident_id}, which nobody knows" for incident_id in opened]
        repeats = 0
        for notification_id, received in by_id.items():
            repeats += len(received) - 1
            for first, second in pairwise(received):
                self._check_repeat(notification_id, first, second)
        self.figures = {"pages": len(by_id), "pages repeated": repeats}

    def _check_repeat(self, notification_id: str, first: Received, second: Received) -> None:
        if not any(first.at - LATE <= after and before <= second.at for before, after in self._kills):
            self.faults.append(f"{notification_id} came at {first.at} and again at {second.at}, without a kill between")

    def _check_signature(self, request: Received, notification_id: str) -> None:
        fields = dict(part.split("=", 1) for part in request.headers["x-incident-signature"].split(","))
        signed = f"{fields['t']}.".encode() + request.body
        wanted = hmac.new(self._secret.encode(), signed, hashlib.sha256).hexdigest()
        if not hmac.compare_digest(wanted, fields["v1"]):
            self.faults.append(f"{notification_id}: its signature does not hold")

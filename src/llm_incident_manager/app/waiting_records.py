"""What an earlier process accepted and did not work off: known again before the first request (ING-05, ING-08)."""

from collections import deque

from llm_incident_manager.app.house import House
from llm_incident_manager.domain.events.document import peek
from llm_incident_manager.engine.memory import Identity
from llm_incident_manager.engine.records import Record
from llm_incident_manager.ids import IncidentNumbers

REMEMBERED = 50_000
"""The youngest so many identities: what the intake's own memory holds. Older ones are counted once all the same."""


class WaitingRecords:
    """Notes the journal's records as it opens: ids that are taken, events that are known, incidents that will come."""

    def __init__(self, numbers: IncidentNumbers) -> None:
        self._numbers = numbers
        self._identities: deque[tuple[Identity, str | None]] = deque(maxlen=REMEMBERED)
        self._opening: list[str] = []

    def remember(self, record: Record) -> None:
        """Note one record that waits."""
        if record.incident_id is not None:
            self._numbers.seen(record.incident_id)
            if record.opens:
                self._opening.append(record.incident_id)
        name = peek(record.body)
        if name.source is not None and name.event_id is not None:
            self._identities.append(((record.tenant, name.source, name.event_id), record.incident_id))

    def recall(self, house: House) -> None:
        """Tell the house, which knows by now what is open.

        An event sent again is a duplicate, and who asks for a reserved id waits for its triage. Where one of these ids
        is open already, what waits is its recovery: what comes now is new trouble.
        """
        house.open_fingerprints.end_those(frozenset(self._opening))
        for identity, incident_id in self._identities:
            house.seen.add(identity, incident_id)
        for incident_id in self._opening:
            house.untriaged.add(incident_id)

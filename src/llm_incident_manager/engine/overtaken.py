"""③ Recoveries that were accepted before their alarms: what one of them ends, and the step that looks for the rest.

Who comes first is the accident of doors and nodes; whether the trouble is over is said by the sender's own times
(docs/decisions/0078-recoveries-that-overtake.md).
"""

from collections.abc import Callable
from datetime import datetime, timedelta

from llm_incident_manager.clock import Clock
from llm_incident_manager.domain.events.event import Event
from llm_incident_manager.domain.incidents import decide
from llm_incident_manager.domain.incidents.changes import Change, IncidentOpened
from llm_incident_manager.domain.incidents.decide import ResolutionGiven
from llm_incident_manager.domain.incidents.evolve import applied
from llm_incident_manager.domain.incidents.incident import Incident
from llm_incident_manager.engine.commit import commit
from llm_incident_manager.engine.context import Context, Contexts
from llm_incident_manager.engine.fingerprint_notes import WINDOW, FingerprintNote
from llm_incident_manager.engine.openings import ending, integration
from llm_incident_manager.engine.ports import Store, Transaction

AT_ONCE = 100
LOOK_BACK = timedelta(hours=1)
"""The step looks at recoveries accepted since: two nodes miss each other only while both triage."""


def told_before(note: FingerprintNote) -> str:
    """Return in words what the recovery said that overtook its alarm."""
    said = f"{note.source} says that it was over at {note.said_at:%Y-%m-%d %H:%M:%S} UTC: {note.title}"
    return f"{said} (event {note.event_id}, accepted at {note.heard_at:%H:%M:%S}, before the alarm itself)"


def only_proposes(source: str, context: Context) -> bool:
    """Whether people decide on the recoveries of ``source``."""
    settings = context.settings.sources.get(source)
    return settings is not None and settings.resolve == "propose"


def over_at_once(opened: Change, more: list[Change], note: FingerprintNote, at: datetime) -> list[Change]:
    """Return what ends an incident in the change set that opens it."""
    by = integration(note.source)
    incident = applied(None, [opened, *more], at=at, by=by)
    given = ResolutionGiven(resolution_notes=told_before(note))
    return decide.resolve(incident, by=by, given=given, walk=True)


def speaks_of(tx: Transaction, incident: Incident, said_at: datetime) -> bool:
    """Whether a recovery said at ``said_at`` can mean this incident: its alarm is older, by the sender's time."""
    first = tx.incidents.changes(incident.id, limit=1)[0].changes().changes[0]
    return isinstance(first, IncidentOpened) and first.occurred_at < said_at


def noted(notes: dict[str, FingerprintNote], recovery: Event, incident_id: str | None) -> None:
    """Note a recovery among those of a batch, unless a newer one is there."""
    note, known = FingerprintNote.of(recovery, incident_id), notes.get(recovery.fingerprint)
    if known is None or known.said_at <= note.said_at:
        notes[note.fingerprint] = note


class Overtaken:
    """A step for the loop: a recovery and its alarm that two nodes triaged at the same instant find each other."""

    def __init__(
        self, store: Store, contexts: Contexts, clock: Clock, committed: Callable[[Incident], None] = lambda _: None
    ) -> None:
        self._store = store
        self._contexts = contexts
        self._clock = clock
        self._committed = committed

    async def run_due(self) -> int:
        """End what is over; returns how many were. Harmless when repeated; raises Unavailable (store away)."""
        since = self._clock.now() - LOOK_BACK
        found = await self._store.system_read(lambda tx: tx.overtaking(since, limit=AT_ONCE))
        ended = 0
        for each in found:
            context = self._contexts(each.tenant)

            def work(
                tx: Transaction, note: FingerprintNote = each.note, incident_id: str = each.incident_id,
                context: Context = context,
            ) -> Incident | None:  # fmt: skip
                incident = tx.incidents.get(incident_id)
                # Looked at once: whatever comes of it, this recovery has met this incident.
                tx.fingerprint_notes.put([_met(note, incident.id)])
                if not incident.is_open or not speaks_of(tx, incident, note.said_at):
                    return None
                changes = ending(incident, note.source, told_before(note), context)
                return commit(tx, incident, changes, by=integration(note.source), context=context)

            after = await self._store.transact(each.tenant, work, background=True)
            if after is not None:
                self._committed(after)
                ended += not after.is_open
        return ended

    async def forget_old(self) -> int:
        """Remove what is older than the window; returns how many went."""
        before = self._clock.now() - WINDOW
        return await self._store.system(lambda tx: tx.forget_fingerprint_notes(before, limit=AT_ONCE * 100))


def _met(note: FingerprintNote, incident_id: str) -> FingerprintNote:
    return FingerprintNote(
        fingerprint=note.fingerprint, said_at=note.said_at, heard_at=note.heard_at, source=note.source,
        event_id=note.event_id, title=note.title, incident_id=incident_id,
    )  # fmt: skip

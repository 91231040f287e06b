"""⑤ Nobody acts: due timers become commands that look whether their cause still holds (RTE-05 to RTE-07)."""

from collections.abc import Callable, Sequence
from datetime import datetime

import structlog

from llm_incident_manager.clock import Clock
from llm_incident_manager.domain.escalation.moves import acts, advance, wanted_timers
from llm_incident_manager.domain.escalation.timer import Timer, TimerKind
from llm_incident_manager.domain.incidents import decide
from llm_incident_manager.domain.incidents.changes import Change, SlaBreached, StatusChanged
from llm_incident_manager.domain.incidents.decide import ResolutionGiven
from llm_incident_manager.domain.incidents.evolve import applied
from llm_incident_manager.domain.incidents.incident import SYSTEM, Incident
from llm_incident_manager.domain.incidents.ladder import StepKind
from llm_incident_manager.domain.incidents.reports import named
from llm_incident_manager.domain.incidents.transitions import next_status
from llm_incident_manager.domain.vocabulary import Action, NotificationType
from llm_incident_manager.engine.commit import commit
from llm_incident_manager.engine.context import Context, Contexts
from llm_incident_manager.engine.notify import breach_announcement
from llm_incident_manager.engine.ports import Store, Transaction
from llm_incident_manager.engine.reactions import ESCALATING, Moment, told_step
from llm_incident_manager.engine.telemetry import Telemetry
from llm_incident_manager.errors import Conflict, NotFound, Unavailable

log = structlog.get_logger("timers")
LEASE_SECONDS = 30.0


def decide_due(incident: Incident, timer: Timer, context: Context, *, at: datetime) -> list[Change]:
    """Return what a due timer does: nothing unless its cause (kind, level, cycle, instant) still holds."""
    if not acts(incident, timer):
        return []
    silencing = context.silencing(incident, at)
    if timer.kind is TimerKind.SILENCE:
        return decide.silence(incident, silencing)
    changes: list[Change] = []
    for breach in decide.breaches(incident, at=at):
        changes.append(breach)
        if isinstance(breach, SlaBreached):
            changes += breach_announcement(incident, context, which=breach.which, at=at)
    match timer.kind:
        case TimerKind.SLA_ACKNOWLEDGMENT | TimerKind.SLA_RESOLUTION:
            return changes
        case TimerKind.SNOOZE:
            return changes + decide.snooze(incident, until=None, at=at)
        case TimerKind.QUIET:
            return changes + _quiet(incident)
        case _ if silencing is not None:
            return changes + decide.silence(incident, silencing)
        case _:
            return changes + _climb(incident, context, at=at)


def _climb(incident: Incident, context: Context, *, at: datetime) -> list[Change]:
    """Return the next step of the ladder: the status escalates, the level is told."""
    ladder, plan = incident.ladder, incident.plan
    assert ladder.pending is not None, "acts() has seen a pending step"
    step = plan.steps[ladder.pending]
    changes: list[Change] = []
    escalated = next_status(incident.status, Action.ESCALATE) if step.kind in ESCALATING else None
    if escalated is not None and ladder.pending > 0:
        reason = f"{step.kind.value} reached: nobody acted in time"
        changes.append(StatusChanged(action=Action.ESCALATE, before=incident.status, after=escalated, reason=reason))
    after = applied(incident, changes, at=at, by=SYSTEM)
    moved, step = advance(ladder, plan, after.status, at=at)
    moment = Moment(at=at, by=SYSTEM, context=context, told=lambda _: ())
    reason = "exhausted" if step.kind is StepKind.CATCH_ALL else step.kind.value
    return changes + told_step(after, plan, moved, step, moment, kind=NotificationType.ESCALATED, reason=reason)


def _quiet(incident: Incident) -> list[Change]:
    """Return the end of an incident whose source never says that it is over."""
    minutes = (incident.quiet_seconds or 0) / 60
    source = named(incident.fold.reporting) if incident.fold is not None else incident.source
    notes = f"Nothing more came from {source} for {minutes:g} minutes."
    return decide.resolve(incident, by=SYSTEM, given=ResolutionGiven(resolution_notes=notes), walk=True)


class Timers:
    """Fires what is due; the loop that repeats :meth:`run_due` lives in app."""

    def __init__(
        self,
        store: Store,
        contexts: Contexts,
        clock: Clock,
        telemetry: Telemetry,
        committed: Callable[[Incident], None] = lambda _: None,
    ) -> None:
        self._store = store
        self._contexts = contexts
        self._clock = clock
        self._telemetry = telemetry
        self._committed = committed

    async def run_due(self, limit: int = 100) -> int:
        """Claim and fire up to ``limit`` due timers; returns how many were claimed."""
        timers = await self._store.system(
            lambda tx: tx.claim_due_timers(limit=limit, lease_seconds=LEASE_SECONDS), background=False
        )
        for timer in timers:
            await self.fire(timer)
        return len(timers)

    async def fire(self, timer: Timer) -> None:
        """Do what a claimed timer asks for, if its cause still holds; a fault is logged and leaves the others alone."""
        context = self._contexts(timer.tenant)
        fired: list[Change] = []
        ended: list[Incident] = []

        def work(tx: Transaction) -> None:
            fired.clear()
            ended.clear()
            try:
                incident = tx.incidents.get(timer.incident_id)
            except NotFound:
                tx.timers.delete(timer)
                return
            changes = decide_due(incident, timer, context, at=tx.now)
            if not changes:
                # Not deleted: another timer of this kind may stand in its place by now.
                tx.timers.replace(incident.id, wanted_timers(incident))
                return
            after = commit(tx, incident, changes, by=SYSTEM, context=context)
            fired.extend(changes)
            ended.extend([] if after.is_open else [after])

        try:
            await self._store.transact(timer.tenant, work)
        except (Conflict, Unavailable) as later:
            # The lease ends and the timer is claimed again: it fires late, never not.
            log.warning("timer_deferred", incident_id=timer.incident_id, kind=timer.kind, reason=later.code)
            return
        except Exception:
            # One incident's fault must not keep the timers behind it from firing.
            log.exception("timer_failed", incident_id=timer.incident_id, kind=timer.kind)
            return
        for incident in ended:
            self._committed(incident)
        self._observe(timer, fired)

    def _observe(self, timer: Timer, changes: Sequence[Change]) -> None:
        for change in changes:
            if isinstance(change, SlaBreached):
                self._telemetry.count(f"sla_{change.which}_breached_total")
        if changes:
            log.info("timer_fired", incident_id=timer.incident_id, kind=timer.kind, level=timer.level)

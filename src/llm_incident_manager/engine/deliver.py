"""⑥ Told: pages leave here. One attempt a claim; what it says decides retry, fallback or the next level (NTF-03)."""

import asyncio
import random
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Protocol, assert_never

import msgspec
import structlog

from llm_incident_manager.clock import Clock
from llm_incident_manager.domain.incidents import decide
from llm_incident_manager.domain.incidents.changes import Change, NotificationSettled
from llm_incident_manager.domain.incidents.incident import SYSTEM, Incident
from llm_incident_manager.domain.notifications.message import (
    Contact,
    Delivered,
    Message,
    Outcome,
    Rejected,
    RetryLater,
)
from llm_incident_manager.domain.notifications.notification import DeliveryState, Notification
from llm_incident_manager.domain.vocabulary import NotificationType, Severity
from llm_incident_manager.engine.commit import commit, mute_pages
from llm_incident_manager.engine.context import Context, Contexts
from llm_incident_manager.engine.kept_alerts import is_page, pass_on_late
from llm_incident_manager.engine.notify import (
    announce,
    contact_of,
    fall_through,
    is_mutable,
    ladder_has_moved,
    may_keep_alert,
)
from llm_incident_manager.engine.page_reports import is_known_to_have_failed
from llm_incident_manager.engine.ports import Store, Transaction
from llm_incident_manager.engine.telemetry import Telemetry
from llm_incident_manager.engine.threads import contact_behind, first_message, is_live, note_shown
from llm_incident_manager.errors import Conflict, NotFound, Unavailable
from llm_incident_manager.resilience.backoff import delay
from llm_incident_manager.resilience.breaker import CircuitBreaker, Refused

log = structlog.get_logger("deliver")
FIRST_ROUND = 4
"""The first attempt and three retries (specification §8.2.2); then other contacts and fallbacks are told as well."""
LEASE_SECONDS = 30.0
SEND_SECONDS = 15.0
CAP_SECONDS = 39.0
"""30 s and 30 % jitter (specification §8.2.2)."""
ANNOUNCE_FOR = timedelta(hours=24)
"""How long it is tried to say that it is over, or that somebody has it; a page itself is tried until somebody acts."""
MAX_WAIT_SECONDS = 300.0
"""A provider's own wish (``Retry-After``) is honoured up to here."""
TRIES = 5
BREAKER_OPEN = "the circuit breaker is open"
"""Nothing was sent; the other ways are tried at once."""


class Sender(Protocol):
    """A channel, as the engine sees it: it tries once and says how it went."""

    async def send(self, message: Message, contact: Contact) -> Outcome: ...

    def destination(self, contact: Contact) -> str:
        """Return what the circuit breaker is kept for: a host, a server."""
        ...


Render = Callable[[Notification, Incident, Context, datetime], Message]


class Deliver:
    """Sends due pages; ``deliver_due`` is one step, the loop that repeats it lives in app.

    Each channel has places of its own, so that nothing waits behind a dead one.
    """

    def __init__(
        self,
        store: Store,
        contexts: Contexts,
        channels: Mapping[str, Sender],
        render: Render,
        *,
        clock: Clock,
        telemetry: Telemetry,
        jitter: Callable[[], float] = random.random,
        places: int = 16,
    ) -> None:
        self._store = store
        self._contexts = contexts
        self._channels = channels
        self._render = render
        self._clock = clock
        self._telemetry = telemetry
        self._jitter = jitter
        self._places = places
        self._busy: dict[str, int] = {}
        self.breakers: dict[str, CircuitBreaker] = {}

    async def claim(self, limit: int = 64) -> list[Notification]:
        """Claim due pages, worst severity first, of channels that have a place free."""
        full = [name for name, busy in self._busy.items() if busy >= self._places]
        return await self._store.system(
            lambda tx: tx.claim_notifications(limit=limit, lease_seconds=LEASE_SECONDS, busy_channels=full),
            background=False,
        )

    async def deliver_due(self, limit: int = 64) -> int:
        """Claim and send up to ``limit`` pages at once; returns how many were claimed."""
        claimed = await self.claim(limit)
        if claimed:
            await asyncio.gather(*(self.deliver(notification) for notification in claimed))
        return len(claimed)

    async def deliver(self, notification: Notification) -> None:
        """Try one claimed page once and write down how it went."""
        self._busy[notification.channel] = self._busy.get(notification.channel, 0) + 1
        try:
            context = self._contexts(notification.tenant)
            incident = await self._store.read(notification.tenant, lambda tx: _still_wanted(tx, notification))
            if incident is None:
                return
            if _is_silenced(notification, incident, context, self._clock.now()):
                await self._store.transact(notification.tenant, lambda tx: hush(tx, notification.id, context))
                return
            outcome = await self._attempt(notification, incident, context)
            await self._settle(notification, outcome, self._shown(notification, incident, context))
        except NotFound:
            log.warning("delivery_dropped", notification_id=notification.id, reason="its incident is gone")
            await self._store.transact(notification.tenant, lambda tx: _drop(tx, notification))
        except (Conflict, Unavailable) as later:
            # The lease ends and it is claimed again: repeated with the same id, never lost.
            log.warning("delivery_deferred", notification_id=notification.id, reason=later.code)
        finally:
            self._busy[notification.channel] -= 1

    async def _attempt(self, notification: Notification, incident: Incident, context: Context) -> Outcome:
        channel = self._channels.get(notification.channel)
        if channel is None:
            return Rejected(reason=f"there is no {notification.channel} channel here")
        contact = contact_behind(notification, context)
        if contact is None:
            return Rejected(reason=f"{notification.recipient} has no {notification.channel} contact any more")
        where = f"{notification.tenant}/{notification.channel}/{channel.destination(contact)}"
        breaker = self.breakers.setdefault(where, CircuitBreaker())
        urgent = notification.severity in (Severity.P0, Severity.P1)
        now = self._clock.monotonic()
        admission = breaker.admit(now, only_path=urgent and _only_path(notification, context))
        if isinstance(admission, Refused):
            return RetryLater(reason=BREAKER_OPEN, after_seconds=max(1.0, admission.retry_at - now))
        outcome = await self._send(channel, notification, incident, context, contact)
        if isinstance(outcome, RetryLater):
            breaker.failed(self._clock.monotonic())
        else:
            breaker.succeeded(self._clock.monotonic())
        self._telemetry.set("circuit_breaker_state", {"service": where}, int(breaker.state(self._clock.monotonic())))
        return outcome

    async def _send(
        self, channel: Sender, notification: Notification, incident: Incident, context: Context, contact: Contact
    ) -> Outcome:
        labels = {"channel": contact.channel}
        started = self._clock.monotonic()
        self._telemetry.count("notifications_attempted_total", labels)
        try:
            message = self._render(notification, incident, context, self._clock.now())
            if is_live(channel, contact):
                first = await self._store.read(notification.tenant, lambda tx: first_message(tx, notification))
                message = msgspec.structs.replace(message, first_receipt=first.receipt if first is not None else None)
            async with asyncio.timeout(SEND_SECONDS):
                return await channel.send(message, contact)
        except TimeoutError:
            return RetryLater(reason=f"no answer within {SEND_SECONDS:.0f} s")
        except Exception:
            # A faulty channel is this border's business: the page goes on by other ways.
            log.exception("channel_failed", notification_id=notification.id, channel=contact.channel)
            return RetryLater(reason="the channel failed; the log says how")
        finally:
            self._telemetry.observe("integration_latency_seconds", labels, self._clock.monotonic() - started)

    def _shown(self, notification: Notification, incident: Incident, context: Context) -> int | None:
        """Return the revision that a message shows which is kept up to date from now on."""
        contact = contact_behind(notification, context)
        live = contact is not None and is_live(self._channels.get(notification.channel), contact)
        return incident.revision if live else None

    async def _settle(self, notification: Notification, outcome: Outcome, shown: int | None) -> None:
        context = self._contexts(notification.tenant)
        for attempt in range(TRIES):
            try:
                await self._store.transact(
                    notification.tenant,
                    lambda tx: settle(tx, notification.id, outcome, context, self._jitter(), shown=shown),
                )
                return
            except Conflict:
                if attempt == TRIES - 1:
                    raise


def _is_silenced(row: Notification, incident: Incident, context: Context, at: datetime) -> bool:
    return is_mutable(row) and incident.is_open and context.silencing(incident, at) is not None


def hush(tx: Transaction, notification_id: str, context: Context) -> None:
    """Keep a page that was planned before the silence was known here: its incident is silenced, the page cancelled."""
    row = tx.notifications.get(notification_id)
    incident = tx.incidents.get(row.incident_id)
    silencing = context.silencing(incident, tx.now)
    if silencing is not None and incident.is_open:
        commit(tx, incident, decide.silence(incident, silencing), by=SYSTEM, context=context)
        mute_pages(tx, incident.id, silencing.reason)


def settle(
    tx: Transaction,
    notification_id: str,
    outcome: Outcome,
    context: Context,
    jitter: float,
    *,
    shown: int | None = None,
) -> None:
    """Write down one attempt's outcome, and what follows from it, in one transaction."""
    row = tx.notifications.get(notification_id)
    if not row.state.is_pending and not isinstance(outcome, Delivered):
        return
    incident = tx.incidents.get(row.incident_id)
    overtaken = not row.state.is_pending
    changes: list[Change] = []
    match outcome:
        case Delivered(receipt=receipt) if is_known_to_have_failed(row, receipt):
            return
        case Delivered(receipt=receipt):
            row = msgspec.structs.replace(
                row, state=DeliveryState.DELIVERED, attempts=row.attempts + 1, delivered_at=tx.now, receipt=receipt,
                next_attempt_at=None, last_error=None,
            )  # fmt: skip
            tx.notifications.save(row)
            if shown is not None and receipt is not None:
                note_shown(tx, row, incident, shown)
            changes.append(_settled(row, delivered=True, reason=""))
            if not incident.is_open and row.type is not NotificationType.RESOLVED:
                # It was on its way when the incident ended: whoever read it must hear of the end as well.
                changes += announce(incident, _not_told_of_the_end(tx, row, incident, context), context, at=tx.now)
            elif overtaken and is_page(row):
                changes += pass_on_late(incident, row, context)
        case RetryLater(reason=reason, after_seconds=after):
            changes += _retry(tx, row, incident, reason, after, context, jitter)
        case Rejected(reason=reason):
            row = msgspec.structs.replace(
                row, state=DeliveryState.FAILED, attempts=row.attempts + 1, next_attempt_at=None, last_error=reason,
                first_round_over=True,
            )  # fmt: skip
            tx.notifications.save(row)
            changes.append(_settled(row, delivered=False, reason=reason))
            changes += _fallen(tx, row, incident, context)
        case _:
            assert_never(outcome)
    commit(tx, incident, changes, by=SYSTEM, context=context)


def _drop(tx: Transaction, row: Notification) -> None:
    """End a page whose incident retention has removed."""
    try:
        row = tx.notifications.get(row.id)
    except NotFound:
        return
    tx.notifications.save(
        msgspec.structs.replace(
            row, state=DeliveryState.FAILED, next_attempt_at=None, last_error="its incident is gone"
        )
    )


def _retry(
    tx: Transaction,
    row: Notification,
    incident: Incident,
    reason: str,
    after: float | None,
    context: Context,
    jitter: float,
) -> list[Change]:
    attempts = row.attempts + (0 if reason == BREAKER_OPEN else 1)
    wait = max(after or 0.0, delay(max(0, attempts - 1), jitter=jitter))
    given_up = tx.now - row.planned_at > ANNOUNCE_FOR and not is_page(row)
    if given_up:
        row = msgspec.structs.replace(
            row, state=DeliveryState.FAILED, attempts=attempts, next_attempt_at=None, last_error=reason,
            first_round_over=True,
        )  # fmt: skip
        tx.notifications.save(row)
        return [_settled(row, delivered=False, reason=reason)]
    if not incident.is_open and row.type is not NotificationType.RESOLVED:
        row = msgspec.structs.replace(
            row, state=DeliveryState.CANCELLED, attempts=attempts, next_attempt_at=None, last_error="it is over"
        )
        tx.notifications.save(row)
        return []
    over = row.first_round_over or attempts >= FIRST_ROUND or reason == BREAKER_OPEN
    if over and ladder_has_moved(incident, row):
        row = msgspec.structs.replace(
            row, state=DeliveryState.CANCELLED, attempts=attempts, next_attempt_at=None,
            last_error="the ladder has moved on", first_round_over=True,
        )  # fmt: skip
        tx.notifications.save(row)
        return []
    first_time_over = over and not row.first_round_over
    row = msgspec.structs.replace(
        row, state=DeliveryState.RETRYING, attempts=attempts, last_error=reason,
        next_attempt_at=tx.now + timedelta(seconds=min(wait, MAX_WAIT_SECONDS if after else CAP_SECONDS)),
        first_round_over=over,
    )  # fmt: skip
    tx.notifications.save(row)
    return _fallen(tx, row, incident, context) if first_time_over else []


def _still_wanted(tx: Transaction, claimed: Notification) -> Incident | None:
    """Return the incident of a claimed page, or None where the page was cancelled between claim and now."""
    if not tx.notifications.get(claimed.id).state.is_pending:
        return None
    return tx.incidents.get(claimed.incident_id)


def _not_told_of_the_end(
    tx: Transaction, row: Notification, incident: Incident, context: Context
) -> list[Notification]:
    if is_page(row) and may_keep_alert(row, context):
        return [row]  # it may have opened an alert after the end was announced there
    ended = incident.resolved_at or tx.now
    told = (each for each in tx.notifications.of_incident(incident.id) if each.type is NotificationType.RESOLVED)
    same = [each for each in told if each.planned_at >= ended and contact_of(each) == contact_of(row)]
    return [] if same else [row]


def _fallen(tx: Transaction, row: Notification, incident: Incident, context: Context) -> list[Change]:
    siblings = tx.notifications.of_level(incident.id, cycle=row.cycle, step=row.step)
    return fall_through(incident, row, siblings, context, at=tx.now)


def _settled(row: Notification, *, delivered: bool, reason: str) -> NotificationSettled:
    return NotificationSettled(
        notification_id=row.id,
        recipient=row.recipient,
        channel=row.channel,
        delivered=delivered,
        reason=reason,
        receipt=row.receipt,
        attempts=row.attempts,
    )


def _only_path(notification: Notification, context: Context) -> bool:
    recipient = context.directory.recipient(notification.recipient)
    usable: Sequence[Contact] = recipient.contacts if recipient is not None else ()
    return sum(1 for contact in usable if contact.channel in context.channels) <= 1

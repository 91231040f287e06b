"""⑥ Told: messages that are kept up to date in their place (a chat's), so that nobody acts on how it stood an hour ago.

What is out of date is asked of the database: the message shows a revision of its incident, and the incident has a newer
one. So nothing is lost by a crash, a storm of changes makes one update, and a repeat changes nothing.
"""

import asyncio
from collections.abc import Mapping

import msgspec
import structlog

from llm_incident_manager.clock import Clock
from llm_incident_manager.domain.incidents.incident import Incident
from llm_incident_manager.domain.notifications.message import Delivered, RetryLater
from llm_incident_manager.domain.notifications.notification import DeliveryState, Notification
from llm_incident_manager.domain.vocabulary import NotificationType
from llm_incident_manager.engine.context import Contexts
from llm_incident_manager.engine.deliver import Render, Sender
from llm_incident_manager.engine.notify import contact_of
from llm_incident_manager.engine.ports import Store, Transaction
from llm_incident_manager.engine.threads import Updating, contact_behind
from llm_incident_manager.errors import NotFound
from llm_incident_manager.resilience.backoff import delay

log = structlog.get_logger("messages")
SEND_SECONDS = 15.0
AT_ONCE = 50


class LiveMessages:
    """A step for the loop: ``run_once`` brings what is out of date up to date."""

    def __init__(
        self, store: Store, contexts: Contexts, channels: Mapping[str, Sender], render: Render, clock: Clock
    ) -> None:
        self._store = store
        self._contexts = contexts
        self._channels = channels
        self._render = render
        self._clock = clock
        self._failures: dict[str, tuple[int, float]] = {}

    async def run_once(self) -> int:
        """Update up to 50 messages at once; returns how many were tried. Raises Unavailable."""
        if not any(isinstance(channel, Updating) for channel in self._channels.values()):
            return 0
        rows = await self._store.system_read(lambda tx: tx.stale_messages(limit=AT_ONCE + len(self._failures)))
        now = self._clock.monotonic()
        due = [row for row in rows if self._failures.get(row.id, (0, 0.0))[1] <= now][:AT_ONCE]
        if not rows:
            self._failures.clear()
        await asyncio.gather(*(self._bring_up_to_date(row) for row in due))
        return len(due)

    async def _bring_up_to_date(self, row: Notification) -> None:
        context = self._contexts(row.tenant)
        contact = contact_behind(row, context)
        channel: object = self._channels.get(row.channel)
        try:
            incident, newest = await self._store.read(row.tenant, lambda tx: _as_it_is(tx, row))
        except NotFound:
            return
        if not isinstance(channel, Updating) or contact is None or row.receipt is None:
            await self._note(row, None)
            return
        message = self._render(newest, incident, context, self._clock.now())
        message = msgspec.structs.replace(message, notification_id=row.id)
        try:
            async with asyncio.timeout(SEND_SECONDS):
                outcome = await channel.update(message, contact, row.receipt)
        except TimeoutError:
            outcome = RetryLater(reason=f"no answer within {SEND_SECONDS:.0f} s")
        except Exception:
            # A faulty channel is this border's business: the message goes on showing what it shows.
            log.exception("channel_failed", notification_id=row.id, channel=row.channel)
            outcome = RetryLater(reason="the channel failed; the log says how")
        if isinstance(outcome, RetryLater):
            tries, _ = self._failures.get(row.id, (0, 0.0))
            wait = max(outcome.after_seconds or 0.0, delay(tries, jitter=0.0))
            self._failures[row.id] = (tries + 1, self._clock.monotonic() + wait)
            return
        self._failures.pop(row.id, None)
        if not isinstance(outcome, Delivered):
            log.warning("message_not_updated", notification_id=row.id, channel=row.channel, reason=outcome.reason)
        # Once it is over it says so and rests; a page of the reopened incident wakes it.
        await self._note(row, incident.revision if isinstance(outcome, Delivered) and incident.is_open else None)

    async def _note(self, row: Notification, revision: int | None) -> None:
        def work(tx: Transaction) -> None:
            stored = tx.notifications.get(row.id)
            tx.notifications.note(msgspec.structs.replace(stored, shown_revision=revision))

        await self._store.transact(row.tenant, work)


def _as_it_is(tx: Transaction, row: Notification) -> tuple[Incident, Notification]:
    """Return the incident, and the newest page to the same contact: its buttons are the ones that work."""
    told = [each for each in tx.notifications.of_incident(row.incident_id) if contact_of(each) == contact_of(row)]
    sent = [each for each in told if each.state is DeliveryState.DELIVERED]
    newest, incident = (sent or [row])[-1], tx.incidents.get(row.incident_id)
    if not incident.is_open:
        newest = msgspec.structs.replace(newest, type=NotificationType.RESOLVED, reason="resolved")
    return incident, newest

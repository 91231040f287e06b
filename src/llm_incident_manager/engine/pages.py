"""⑥ Told: a page beside every incident, so that people know beforehand whether they can be reached."""

import asyncio
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import structlog

from llm_incident_manager.clock import Clock
from llm_incident_manager.domain.events.event import Resource
from llm_incident_manager.domain.incidents.incident import Incident
from llm_incident_manager.domain.incidents.ladder import Ladder, LadderState, Plan
from llm_incident_manager.domain.notifications.message import Contact, Delivered, Outcome, Rejected, RetryLater
from llm_incident_manager.domain.notifications.notification import Notification
from llm_incident_manager.domain.people import User
from llm_incident_manager.domain.vocabulary import Category, NotificationType, Scope, Severity, Status
from llm_incident_manager.engine.audit_note import note
from llm_incident_manager.engine.caller import Caller
from llm_incident_manager.engine.context import Contexts
from llm_incident_manager.engine.deliver import Render, Sender
from llm_incident_manager.engine.ports import Store, Transaction
from llm_incident_manager.errors import FieldFault, Invalid, NotFound
from llm_incident_manager.ids import IdSource

log = structlog.get_logger("pages")
SEND_SECONDS = 10.0
"""All contacts are tried at once, each at most this long."""
TITLE = "TEST PAGE: nothing has happened"
NO_INCIDENT = "TEST"
"""Stands where an incident's id would."""


class Pages:
    """Pages that belong to no incident."""

    def __init__(
        self,
        store: Store,
        contexts: Contexts,
        channels: Mapping[str, Sender],
        render: Render,
        clock: Clock,
        ids: IdSource,
    ) -> None:
        self._store = store
        self._contexts = contexts
        self._channels = channels
        self._render = render
        self._clock = clock
        self._ids = ids

    async def test_page(self, caller: Caller, user_id: str, channel: str | None = None) -> dict[str, Any]:
        """Page a user now by every contact, or those of one channel, and say of each how it went.

        Returns ``{user_id, delivered, notifications: [{id, channel, delivered, reason, receipt}]}``; each is tried
        once. Raises Forbidden without the scope ``respond``, NotFound for an unknown user, Invalid without a contact.
        """
        caller.require(Scope.RESPOND)
        user = self._contexts(caller.tenant).settings.users.get(user_id)
        if user is None:
            raise NotFound(f"there is no user {user_id}", user_id=user_id)
        contacts = [each for each in user.contacts if channel in (None, each.channel)]
        if not contacts:
            which = f"no {channel} contact" if channel is not None else "no contacts"
            raise Invalid("nobody would be told", [FieldFault("channel", f"{user_id} has {which}")])
        results = await asyncio.gather(*(self._send(caller, user, contact) for contact in contacts))
        await self._store.transact(caller.tenant, lambda tx: _note(tx, caller, user_id, results))
        delivered = any(each["delivered"] for each in results)
        return {"user_id": user_id, "delivered": delivered, "notifications": list(results)}

    async def _send(self, caller: Caller, user: User, contact: Contact) -> dict[str, Any]:
        notification_id = self._ids.new("ntf")
        outcome = await self._outcome(caller, user, contact, notification_id)
        told = {"id": notification_id, "channel": contact.channel, "delivered": isinstance(outcome, Delivered)}
        match outcome:
            case Delivered(receipt=receipt):
                return told | {"reason": "", "receipt": receipt}
            case RetryLater(reason=reason) | Rejected(reason=reason):
                return told | {"reason": reason, "receipt": None}

    async def _outcome(self, caller: Caller, user: User, contact: Contact, notification_id: str) -> Outcome:
        sender = self._channels.get(contact.channel)
        if sender is None:
            return Rejected(reason=f"there is no {contact.channel} channel here")
        now = self._clock.now()
        notification = _test_notification(notification_id, caller.tenant, user, contact.channel, now)
        incident = _no_incident(caller, now)
        message = self._render(notification, incident, self._contexts(caller.tenant), now)
        try:
            async with asyncio.timeout(SEND_SECONDS):
                return await sender.send(message, contact)
        except TimeoutError:
            return RetryLater(reason=f"no answer within {SEND_SECONDS:.0f} s")
        except Exception:
            # A faulty channel is this border's business: the answer names it, the log says how.
            log.exception("channel_failed", notification_id=notification_id, channel=contact.channel)
            return RetryLater(reason="the channel failed; the log says how")


def _test_notification(notification_id: str, tenant: str, user: User, channel: str, at: datetime) -> Notification:
    return Notification(
        id=notification_id,
        tenant=tenant,
        incident_id=NO_INCIDENT,
        type=NotificationType.CUSTOM,
        severity=Severity.P4,
        level=1,
        cycle=1,
        step=None,
        target=f"user:{user.id}",
        recipient=f"user:{user.id}",
        recipient_name=user.name,
        channel=channel,
        reason="test",
        planned_at=at,
    )


def _no_incident(caller: Caller, at: datetime) -> Incident:
    who = caller.actor.name or caller.actor.id
    return Incident(
        id=NO_INCIDENT,
        tenant=caller.tenant,
        fingerprint="",
        severity=Severity.P4,
        status=Status.NEW,
        category=Category.OTHER,
        title=TITLE,
        description=f"{who} is trying out whether pages reach you. Nothing has happened, and nothing is to be done.",
        source="test page",
        source_event_id="",
        event_type="test",
        resource=Resource(type="test", id="none", name="nothing"),
        created_at=at,
        updated_at=at,
        ladder=Ladder(state=LadderState.QUIET, opened_at=at),
        plan=Plan(),
    )


def _note(tx: Transaction, caller: Caller, user_id: str, results: list[dict[str, Any]]) -> None:
    moves = [
        {"field": each["channel"], "old_value": None, "new_value": "delivered" if each["delivered"] else each["reason"]}
        for each in results
    ]
    note(
        tx, by=caller.actor, request=caller.request, event_type="test_page_sent", kind="users", item_id=user_id,
        changes=moves,
    )  # fmt: skip

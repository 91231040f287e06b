"""⑥ Told: which messages of a channel belong together, and which of them are kept up to date where they stand."""

from typing import Protocol, runtime_checkable

import msgspec

from llm_incident_manager.domain.incidents.incident import Incident
from llm_incident_manager.domain.notifications.message import Contact, Message, Outcome
from llm_incident_manager.domain.notifications.notification import DeliveryState, Notification
from llm_incident_manager.engine.context import Context
from llm_incident_manager.engine.notify import contact_of
from llm_incident_manager.engine.ports import Transaction


@runtime_checkable
class Updating(Protocol):
    """A channel whose messages can be written anew where they stand."""

    def keeps_up_to_date(self, contact: Contact) -> bool:
        """Whether messages to this contact are kept up to date."""
        ...

    async def update(self, message: Message, contact: Contact, receipt: str) -> Outcome:
        """Write the message that ``receipt`` names anew; tried once, like ``send``."""
        ...


def contact_behind(row: Notification, context: Context) -> Contact | None:
    """Return the contact that a page goes to, as it is now."""
    recipient = context.directory.recipient(row.recipient)
    contacts = [each for each in recipient.contacts if each.channel == row.channel] if recipient else []
    return contacts[row.contact] if row.contact < len(contacts) else None


def is_live(channel: object, contact: Contact) -> bool:
    """Whether messages to that contact are kept up to date where they stand."""
    return isinstance(channel, Updating) and channel.keeps_up_to_date(contact)


def first_message(tx: Transaction, row: Notification) -> Notification | None:
    """Return the first message about the incident that the same contact has, if there is one beside ``row``."""
    told = (each for each in tx.notifications.of_incident(row.incident_id) if contact_of(each) == contact_of(row))
    sent = (each for each in told if each.state is DeliveryState.DELIVERED and each.receipt and each.id != row.id)
    return next(sent, None)


def note_shown(tx: Transaction, row: Notification, incident: Incident, revision: int) -> None:
    """Write down, with its acceptance, that the contact's first message is to be kept up to date.

    ``revision`` is the incident's that the message of ``row`` shows. A message that rested because all was over wakes.
    """
    first = first_message(tx, row)
    if first is None:
        tx.notifications.note(msgspec.structs.replace(row, shown_revision=revision))
    elif first.shown_revision is None and incident.is_open:
        tx.notifications.note(msgspec.structs.replace(first, shown_revision=0))

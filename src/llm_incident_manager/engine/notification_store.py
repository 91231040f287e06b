"""What the engine needs of the page ledger's store."""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from llm_incident_manager.domain.notifications.notification import Notification
from llm_incident_manager.engine.loads import KnowsPaged


class NotificationStore(KnowsPaged, Protocol):
    """The page ledger, which is also the delivery queue."""

    def add(self, notifications: Sequence[Notification]) -> None: ...

    def get(self, notification_id: str) -> Notification:
        """Raises NotFound."""
        ...

    def of_incident(self, incident_id: str) -> list[Notification]:
        """Return all, oldest first."""
        ...

    def of_level(self, incident_id: str, *, cycle: int, step: int | None) -> list[Notification]:
        """Return those planned for one step of one cycle."""
        ...

    def save(self, notification: Notification) -> None:
        """Write state, attempts and times; ends the lease.

        One that ended in between (an acknowledgment cancelled it) does not become pending again. Raises NotFound.
        """
        ...

    def note(self, notification: Notification) -> None:
        """Write what was learnt after it left: ``reached_at``, ``answered_at``, ``answer``, ``shown_revision``."""
        ...

    def sent_to(self, recipient: str, channel: str, *, since: datetime, limit: int) -> list[Notification]:
        """Return what a recipient was sent on a channel, newest first."""
        ...

    def cancel(
        self, incident_id: str, *, reason: str, keep: Sequence[str] = (), keep_reasons: Sequence[str] = ()
    ) -> int:
        """Cancel what is pending for the incident, except the types in ``keep`` and reasons; returns how many."""
        ...

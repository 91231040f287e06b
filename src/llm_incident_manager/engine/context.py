"""What decisions need beside the incident: the tenant's people and policies, the channels that exist, new ids."""

from collections.abc import Callable, Sequence
from datetime import datetime

import msgspec

from llm_incident_manager.domain.incidents.incident import Incident, Silencing
from llm_incident_manager.domain.notifications.notification import Notification
from llm_incident_manager.domain.notifications.planning import Reach
from llm_incident_manager.domain.routing.directory import Directory
from llm_incident_manager.domain.routing.silence import silencing
from llm_incident_manager.domain.vocabulary import Severity
from llm_incident_manager.engine.settings import TenantSettings
from llm_incident_manager.ids import IdSource


class Context(msgspec.Struct, frozen=True, kw_only=True):
    """One tenant's circumstances at one moment; ``channels`` are the names that can deliver here.

    ``alert_keepers`` are those among them that keep an alert of their own and must hear who has it and that it is over.
    """

    settings: TenantSettings
    directory: Directory
    channels: frozenset[str]
    ids: IdSource
    alert_keepers: frozenset[str] = frozenset()

    def silencing(self, incident: Incident, at: datetime) -> Silencing | None:
        """Return what keeps the incident's pages here at ``at``."""
        return silencing(self.settings.silences, incident, at)

    def reach(self, severity: Severity, at: datetime) -> Reach:
        """Return what planning pages looks at."""
        return Reach(
            directory=self.directory,
            channels=self.channels,
            severity=severity,
            at=at,
            new_id=lambda: self.ids.new("ntf"),
        )


Contexts = Callable[[str], Context]
"""The present context of a tenant."""

Told = Callable[[str], Sequence[Notification]]
"""The page ledger of an incident, read only when an announcement needs it."""

"""Who may send for a source, and how many were refused: by its key, by being disabled, by the network (SEC-04)."""

from collections.abc import Mapping

from llm_incident_manager.domain.events.event import SourceSettings
from llm_incident_manager.domain.events.origin import is_within
from llm_incident_manager.engine.caller import Caller
from llm_incident_manager.engine.context import Contexts
from llm_incident_manager.engine.telemetry import Telemetry
from llm_incident_manager.errors import Forbidden


class SourceGate:
    """What the intake asks before it takes anything in."""

    def __init__(self, contexts: Contexts, telemetry: Telemetry) -> None:
        self._contexts = contexts
        self._telemetry = telemetry

    def require_open(self, caller: Caller, source: str, sources: Mapping[str, SourceSettings]) -> None:
        """Raise Forbidden where ``caller`` may not send for ``source``: another's key, disabled, a wrong network.

        ``sources`` are the settings of the caller's tenant. Nobody is asked for a network whose request came by none (a
        queue, a replay).
        """
        if caller.source is not None and source != caller.source:
            self.refused(caller, source, "forbidden")
            raise Forbidden(f"this key sends for source {caller.source} only, not for {source}")
        settings = sources.get(source)
        if settings is None:
            return
        if not settings.enabled:
            self.refused(caller, source, "disabled")
            raise Forbidden(f"source {source} is disabled; enable it or send to another one")
        address = caller.request.client_ip
        if settings.allow_ips and address is not None and not is_within(address, settings.allow_ips):
            self.refused(caller, source, "address")
            raise Forbidden(
                f"source {source} may not send from {address}; add its network to allow_ips", code="address_refused"
            )

    def refused(self, caller: Caller, source: str | None, reason: str) -> None:
        """Count what was refused."""
        settings = self._contexts(caller.tenant).settings
        # A source name is the sender's text: only configured ones may become a label, or a storm of names fills memory.
        name = source if source in settings.sources or source == caller.source else "other"
        self._telemetry.count("integration_errors_total", {"source": str(name), "reason": reason})

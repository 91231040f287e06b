"""Who may send for a source, and how many were refused: by its key, by being disabled, by the network (SEC-04)."""

from collections.abc import Mapping

from llm_incident_manager.domain.events.event import SourceSettings
from llm_incident_manager.domain.events.origin import is_within
from llm_incident_manager.engine.caller import Caller
from llm_incident_manager.engine.context import Contexts
from llm_incident_manager.engine.source_traffic import SourceTraffic
from llm_incident_manager.errors import Forbidden


class SourceGate:
    """What the intake asks before it takes anything in."""

    def __init__(self, contexts: Contexts, traffic: SourceTraffic) -> None:
        self._contexts = contexts
        self._traffic = traffic

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

    def accepted(self, caller: Caller, source: str, number: int) -> None:
        """Count what was taken in."""
        self._traffic.accepted(caller.tenant, source, self._is_ours(caller, source), number)

    def kept_no_payload(self, caller: Caller, source: str) -> None:
        """Count what was taken in over the rate, as a number only."""
        self._traffic.kept_no_payload(caller.tenant, source, self._is_ours(caller, source))

    def refused(self, caller: Caller, source: str | None, reason: str, *, until_seconds: float = 0.0) -> None:
        """Count what was refused; for ``until_seconds`` the source will be refused again."""
        self._traffic.refused(caller.tenant, source, self._is_ours(caller, source), reason, until_seconds)

    def _is_ours(self, caller: Caller, source: str | None) -> bool:
        return source is not None and (
            source == caller.source or source in self._contexts(caller.tenant).settings.sources
        )

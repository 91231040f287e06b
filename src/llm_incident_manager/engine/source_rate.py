"""How many events a tenant's key may send for a source in a minute (ING-06)."""

from llm_incident_manager.domain.events.event import Event
from llm_incident_manager.engine.caller import Caller
from llm_incident_manager.engine.settings import TenantSettings
from llm_incident_manager.engine.source_gate import SourceGate
from llm_incident_manager.engine.telemetry import Telemetry
from llm_incident_manager.errors import RateLimited
from llm_incident_manager.resilience.sliding_window import SlidingWindow


class SourceRate:
    """A sliding window for each tenant, key and source, with a reserve for new problems."""

    def __init__(self, telemetry: Telemetry, gate: SourceGate) -> None:
        self._telemetry = telemetry
        self._gate = gate
        self._windows: dict[tuple[str, str, str], SlidingWindow] = {}

    def admit(self, event: Event, caller: Caller, joins: bool, now: float, settings: TenantSettings) -> bool:
        """Return whether the payload is kept; raises RateLimited when even the reserve for new problems is used up."""
        key = (caller.tenant, caller.key_id, event.source)
        own = settings.sources.get(event.source)
        limit = (own.events_per_minute if own is not None else None) or settings.events_per_minute
        window = self._windows.get(key)
        if window is None or window.limit != limit:
            window = self._windows[key] = SlidingWindow(limit, 60.0)
            self._forget_idle(now)
        wait = window.take(now)
        if wait == 0.0:
            return True
        if joins:
            self._telemetry.count("events_without_payload_total", {"source": event.source})
            return False
        wait = window.take_reserve(now)
        if wait == 0.0:
            return True
        self._gate.refused(caller, event.source, "rate_limited")
        raise RateLimited(
            f"source {event.source} sent more than {limit} events in a minute; send again in {wait:.0f} s",
            retry_after_seconds=wait,
            limit=limit,
        )

    def _forget_idle(self, now: float) -> None:
        if len(self._windows) > 10_000:
            self._windows = {key: window for key, window in self._windows.items() if not window.is_idle(now)}

"""What is done every so often beside the walk: memory kept fresh, gauges set, old things removed, chains sealed."""

from collections.abc import Awaitable, Callable

import structlog

from llm_incident_manager.app.apis import Apis
from llm_incident_manager.app.config import ServerConfig
from llm_incident_manager.app.house import House
from llm_incident_manager.engine.dead_letter_retry import DeadLetterRetry
from llm_incident_manager.engine.key_rotation import KeyRotation
from llm_incident_manager.engine.retention import Retention

log = structlog.get_logger("housekeeping")


class Housekeeping:
    """The steps and their distances in seconds."""

    def __init__(self, house: House, apis: Apis, config: ServerConfig) -> None:
        self._house = house
        self._apis = apis
        self._config = config
        self._rotations = KeyRotation(house.store, house.context, house.numbers)
        self._retries = DeadLetterRetry(house.store, apis.dead_letters, house.clock, house.telemetry)
        self._retention = Retention(house.store, house.context, house.clock)
        self._watch()

    def steps(self) -> list[tuple[str, float, Callable[[], Awaitable[object]]]]:
        """Return (name, seconds between two runs, the step)."""
        return [
            ("refresh", 1.0, self._refresh),
            ("rate", 1.0, self._house.intake.rate.tend),
            ("live-messages", 1.0, self._house.live_messages.run_once),
            ("heartbeats", 1.0, self._house.heartbeats.run_due),
            ("silences", 1.0, self._house.silences.run_due),
            ("alerts", 1.0, self._house.alerts.run_due),
            ("explain", 5.0, self._house.explain.run_once),
            ("overtaken", 15.0, self._house.overtaken.run_due),
            ("calendars", 5.0, self._house.calendar_feeds.run_due),
            ("totals", 15.0, self._apis.report.refresh_totals),
            ("last-use", 30.0, self._apis.identify.flush_last_use),
            ("dead-letters", 30.0, self._retries.retry_due),
            ("checkpoint", 300.0, self._seal),
            ("retention", 3600.0, self._retention.run_once),
            ("old-alerts", 3600.0, self._house.alerts.forget_old),
            ("old-notes", 3600.0, self._house.overtaken.forget_old),
            ("key-rotation", 3600.0, self._rotation),
        ]

    async def _refresh(self) -> None:
        await self._house.settings.refresh(self._house.store)
        await self._apis.identify.refresh()

    def _watch(self) -> None:
        # Read when somebody asks: tools wait for a depth of 0, and a second-old one would deceive them.
        house = self._house
        house.telemetry.watch("worker_queue_depth", None, house.journal.depth)
        house.telemetry.watch("worker_queue_lag_seconds", None, house.journal.lag_seconds)
        house.telemetry.watch("journal_bytes", None, house.journal.bytes_used)
        house.telemetry.watch("rate_counted_alone", None, lambda: int(house.intake.rate.counts_alone))
        house.telemetry.watch("open_fingerprints", None, lambda: len(house.open_fingerprints))

    async def _seal(self) -> None:
        sealed = await self._apis.checkpoints.make()
        if sealed is not None:
            log.info("audit_checkpoint", number=sealed.number, digest=sealed.digest, heads=sealed.heads)

    async def _rotation(self) -> None:
        await self._rotations.remind(self._house.clock.now())

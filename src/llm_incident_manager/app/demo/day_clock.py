"""The demo's clock: it starts so far back that the day ends now, and leaps where the story says so."""

from datetime import datetime, timedelta

from llm_incident_manager.clock import OffsetClock


class DayClock:
    """A clock that begins ``span`` ago; after leaps of ``span`` in all it shows the real time.

    So the dashboard, whose browser knows only the real time, reads right when the story is over.
    """

    def __init__(self, span: timedelta) -> None:
        self._span = span
        self._clock = OffsetClock()

    def now(self) -> datetime:
        return self._clock.now() - self._span

    def monotonic(self) -> float:
        return self._clock.monotonic()

    def advance(self, step: timedelta) -> None:
        """Leap forward."""
        self._clock.advance(step)

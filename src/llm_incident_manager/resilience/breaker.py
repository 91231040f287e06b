"""A circuit breaker (specification §8.2.1): stop calling what keeps failing, then try it carefully.

It decides and remembers; it calls nothing and reads no clock. ``now`` is in seconds on a clock that never goes back.
"""

from enum import IntEnum

import msgspec

PROBE_CHECK_SECONDS = 1.0
"""A caller refused because somebody else's probe is on its way looks again after this long."""


class BreakerState(IntEnum):
    """The numbers of the gauge ``circuit_breaker_state`` (specification §8.5)."""

    CLOSED = 0
    OPEN = 1
    HALF_OPEN = 2


class Allowed(msgspec.Struct, frozen=True, tag="allowed"):
    """Call it: nothing is known to be wrong."""


class Probe(msgspec.Struct, frozen=True, tag="probe"):
    """Call it: this one call finds out whether it works again."""


class Refused(msgspec.Struct, frozen=True, kw_only=True, tag="refused"):
    """Do not call it before ``retry_at`` (the same clock as ``now``)."""

    retry_at: float


Admission = Allowed | Probe | Refused


class CircuitBreaker:
    """Opens after ``threshold`` failures in a row, probes after ``timeout`` seconds, closes after two successes.

    ``success_threshold`` is how many successes close it. Every admitted call is reported once with :meth:`succeeded` or
    :meth:`failed`. A probe that is never reported (its process died, its task was cancelled) is given up after
    ``probe_timeout`` seconds; set it above the call's own time-out. Not safe between threads.
    """

    __slots__ = (
        "_failures",
        "_opened_at",
        "_probe_since",
        "_state",
        "_successes",
        "probe_timeout",
        "success_threshold",
        "threshold",
        "timeout",
    )

    def __init__(
        self, threshold: int = 5, timeout: float = 60.0, success_threshold: int = 2, *, probe_timeout: float = 30.0
    ) -> None:
        self.threshold = threshold
        self.timeout = timeout
        self.success_threshold = success_threshold
        self.probe_timeout = probe_timeout
        self._state = BreakerState.CLOSED
        self._failures = 0
        self._successes = 0
        self._opened_at = 0.0
        self._probe_since: float | None = None

    def state(self, now: float) -> BreakerState:
        """Return the state as seen at ``now``: an open breaker whose time-out has passed is half-open."""
        if self._state is BreakerState.OPEN and now >= self._opened_at + self.timeout:
            return BreakerState.HALF_OPEN
        return self._state

    def admit(self, now: float, *, only_path: bool = False) -> Admission:
        """Return whether a call may be made now.

        ``only_path`` says that this is the only way left to reach somebody for a P0 or P1: an open breaker then does
        not wait for its time-out but takes the call as its probe. There is still only one probe at a time.
        """
        state = self.state(now)
        if state is BreakerState.CLOSED:
            return Allowed()
        if state is BreakerState.OPEN and not only_path:
            return Refused(retry_at=self._opened_at + self.timeout)
        if self._probe_since is not None and now < self._probe_since + self.probe_timeout:
            return Refused(retry_at=min(now + PROBE_CHECK_SECONDS, self._probe_since + self.probe_timeout))
        if self._state is BreakerState.OPEN:
            self._state = BreakerState.HALF_OPEN
            self._successes = 0
        self._probe_since = now
        return Probe()

    def succeeded(self, now: float) -> None:
        """Report that an admitted call worked."""
        if self._state is BreakerState.CLOSED:
            self._failures = 0
        elif self._state is BreakerState.HALF_OPEN:
            self._probe_since = None
            self._successes += 1
            if self._successes >= self.success_threshold:
                self._state = BreakerState.CLOSED
                self._failures = 0
        # While open, this is the late answer of a call from before: it says nothing about the present.

    def failed(self, now: float) -> None:
        """Report that an admitted call failed in a way that says the far side is unwell."""
        if self._state is BreakerState.CLOSED:
            self._failures += 1
            if self._failures >= self.threshold:
                self._open(now)
        elif self._state is BreakerState.HALF_OPEN:
            self._open(now)

    def _open(self, now: float) -> None:
        self._state = BreakerState.OPEN
        self._opened_at = now
        self._probe_since = None
        self._successes = 0

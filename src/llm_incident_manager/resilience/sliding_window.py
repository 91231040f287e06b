"""How many in the last minute: a sliding-window counter in constant time and memory.

Two fixed windows are counted; the older one weighs less the further the newer one has run. ``now`` is in seconds on a
clock that never goes back.
"""


class WindowCount:
    """The counter itself; it takes the older window's events as spread evenly over it.

    ``limit`` may be changed at any time. Not safe between threads.
    """

    __slots__ = ("current", "length", "limit", "previous", "start")

    def __init__(self, limit: float, length: float) -> None:
        self.limit = limit
        self.length = length
        self.start = float("-inf")
        self.current = 0
        self.previous = 0

    def used(self, now: float) -> float:
        """Return how many count at ``now``."""
        passed = now - self.start
        if passed >= self.length:
            if passed >= 2 * self.length:
                self.previous = 0
                self.start = now
            else:
                self.previous = self.current
                self.start += self.length
            self.current = 0
            passed = now - self.start
        if passed <= 0.0:
            return self.previous + self.current
        return self.previous * (1.0 - passed / self.length) + self.current

    def take(self, now: float, n: int) -> float:
        """Count ``n`` and return 0, or count nothing and return the seconds after which ``n`` would fit."""
        if self.used(now) + n <= self.limit:
            self.current += n
            return 0.0
        return self._wait(now, n)

    def wait(self, now: float, n: int = 1) -> float:
        """Return 0 where ``n`` fit now, else the seconds after which they would; nothing is counted."""
        return 0.0 if self.used(now) + n <= self.limit else self._wait(now, n)

    def count(self, now: float, n: int = 1) -> None:
        """Count ``n``, whether they fit or not: somebody else has let them in."""
        self.used(now)
        self.current += n

    def _wait(self, now: float, n: int) -> float:
        room = self.limit - n
        if room < 0:
            return self.length
        left = room - self.current
        if left >= 0 and self.previous > 0:
            at = self.start + self.length * (1.0 - left / self.previous)
        else:
            at = self.start + self.length * (2.0 - min(1.0, room / self.current))
        # A rounding error must not send the caller back with "wait 0 seconds", which means admitted.
        return max(at - now, 1e-3)


class SlidingWindow:
    """Admits ``limit`` per ``window_seconds``, and beside that a reserve of a tenth for what matters more.

    The reserve has a counter of its own, so ordinary traffic cannot use it up. Not safe between threads.
    """

    __slots__ = ("_ordinary", "_reserve", "limit", "window_seconds")

    def __init__(self, limit: int, window_seconds: float) -> None:
        if limit < 1 or window_seconds <= 0:
            raise ValueError(f"a window needs a limit of at least 1 and a length above 0: {limit}, {window_seconds}")
        self.limit = limit
        self.window_seconds = window_seconds
        self._ordinary = WindowCount(limit, window_seconds)
        self._reserve = WindowCount(max(1, limit // 10), window_seconds)

    def take(self, now: float, n: int = 1) -> float:
        """Count ``n`` and return 0, or count nothing and return the seconds after which ``n`` would fit.

        An ``n`` above the limit never fits; the answer is then the whole window. See :meth:`room`.
        """
        return self._ordinary.take(now, n)

    def take_reserve(self, now: float, n: int = 1) -> float:
        """Like :meth:`take`, from the reserve."""
        return self._reserve.take(now, n)

    def room(self, now: float) -> int:
        """Return how many :meth:`take` would admit now: a batch takes its part and is refused the rest."""
        return max(0, int(self.limit - self._ordinary.used(now)))

    def is_idle(self, now: float) -> bool:
        """Whether nothing is remembered any more, so that the window of a silent key can be dropped."""
        return self._ordinary.used(now) == 0 and self._reserve.used(now) == 0

"""A part of a limit that several share, granted to this process: it is used up here without asking anybody.

It decides and remembers; whoever holds the limit is asked by others. ``now`` is in seconds on a clock that never goes
back.
"""

IDLE_SECONDS = 1.0
"""What was granted and not used for so long is given back: others may need it."""
ASK_AGAIN_SECONDS = 1.0
"""How long a refusal is believed: somebody may have given back what he did not use."""
MOST_AT_ONCE = 1000


class Lease:
    """What is left of the last grant, or how long there will be none. Not safe between threads."""

    __slots__ = ("_fits_at", "_refused_until", "_used_at", "left")

    def __init__(self) -> None:
        self.left = 0
        self._refused_until = float("-inf")
        self._fits_at = float("-inf")
        self._used_at = float("-inf")

    def is_known(self, now: float) -> bool:
        """Whether nobody need be asked: something is left, or nothing would be granted."""
        return self.left > 0 or now < self._refused_until

    def wait(self, now: float) -> float:
        """Return 0 where one is left, else the seconds until one fits."""
        return 0.0 if self.left > 0 else max(self._fits_at - now, 1e-3)

    def take(self, now: float) -> None:
        """Use one."""
        self.left -= 1
        self._used_at = now

    def granted(self, now: float, number: int, wait_seconds: float) -> None:
        """Remember an answer: ``number`` more, or none for ``wait_seconds``."""
        self.left += number
        self._used_at = now
        if not number:
            self._fits_at = now + wait_seconds
            self._refused_until = now + min(wait_seconds, ASK_AGAIN_SECONDS)

    def give_back(self, now: float) -> int:
        """Return how many were not used for :data:`IDLE_SECONDS`, and forget them."""
        if self.left <= 0 or now - self._used_at < IDLE_SECONDS:
            return 0
        left, self.left = self.left, 0
        return left


def wanted(limit: float, at_once: int = 1) -> int:
    """Return how many to ask for: what is needed now, or a fiftieth of the limit where that is more."""
    return min(MOST_AT_ONCE, max(1, at_once, int(limit) // 50))

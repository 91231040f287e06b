"""When repeats are worked off: at most twice a second, and not in the midst of a burst that would pay for it."""

from collections.abc import Callable

REPEAT_FLUSH_SECONDS = 0.5
"""Repeats are folded into at most one change per incident in this time; half of the second that they may lag behind.
In a storm, when more is waiting than a batch holds, each batch makes its own change.
"""
REST_SECONDS = 5.0
"""In a burst repeats wait so long at most; then they are worked off beside it. Openings never wait."""
CROWD = 6
"""So many events in one commit, on average, come in faster than one by one; at 3,000 a second there are one or two."""
FULL_SHARE = 0.5
"""When accepting a crowd, and working it off, would together take more than this share of the time, accepting goes
first: there is one interpreter."""
WORTH_SHARE = 0.03
"""Below this share of the time what comes in costs triage too little to rest for."""
HURRY_SECONDS = 7.0
"""From this lag on nothing rests or pauses: well before repeats would be refused (10 s), accepting slows down."""
LOOK_SECONDS = 0.25
SECONDS_EACH_AT_MOST = 0.0005
"""What one repeat may be taken to cost: a small batch pays for its commit alone."""


class RepeatPace:
    """Says whether the next batch may hold repeats.

    Args:
        accepted: how many events were accepted so far.
        lag_seconds: how long the oldest of them that is not worked off has been waiting.
        commits: how many commits to the disk that took.
        busy_seconds: how long the calling thread, which accepts, has been at work so far.
    """

    def __init__(
        self,
        accepted: Callable[[], int],
        commits: Callable[[], int],
        lag_seconds: Callable[[], float],
        busy_seconds: Callable[[], float],
    ) -> None:
        self._accepted = accepted
        self._commits = commits
        self._lag_seconds = lag_seconds
        self._busy_seconds = busy_seconds
        self._flushed = float("-inf")
        self._looked = float("-inf")
        self._seen = 0
        self._seen_commits = 0
        self._was_busy = 0.0
        self._seconds_each = 0.0
        self._is_crowded = False
        self._paused_until = float("-inf")

    def due(self, now: float) -> bool:
        """Whether repeats may be taken; ``now`` is in seconds on a clock that never goes back."""
        if now - self._flushed < REPEAT_FLUSH_SECONDS or now < self._paused_until:
            return False
        return not self._crowded(now) or self._lag_seconds() >= REST_SECONDS

    def flushed(self, now: float) -> None:
        """Everything that was waiting has been taken."""
        self._flushed = now

    def worked(self, now: float, seconds: float) -> None:
        """A batch took so long and left some waiting: in a burst, accepting has as much time before the next one."""
        if self._is_crowded and self._lag_seconds() < HURRY_SECONDS:
            self._paused_until = now + seconds

    def took(self, seconds: float, number: int) -> None:
        """A batch of ``number`` repeats kept its thread at work for so long."""
        if not number:
            return
        each = min(seconds / number, SECONDS_EACH_AT_MOST)
        self._seconds_each += (each - self._seconds_each) * 0.25

    def _crowded(self, now: float) -> bool:
        passed = now - self._looked
        if passed >= LOOK_SECONDS:
            accepted, commits, busy = self._accepted(), self._commits(), self._busy_seconds()
            came = accepted - self._seen
            wanted = came * self._seconds_each / passed
            taken = (busy - self._was_busy) / passed
            crowd = came >= CROWD * max(1, commits - self._seen_commits)
            self._is_crowded = crowd and wanted > WORTH_SHARE and taken + wanted > FULL_SHARE
            self._looked, self._seen, self._seen_commits, self._was_busy = now, accepted, commits, busy
        return self._is_crowded

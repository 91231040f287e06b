"""When repeats are worked off: twice a second, and not in the midst of a burst, but never later than 5 s."""

import pytest

from llm_incident_manager.engine.pace import HURRY_SECONDS, REPEAT_FLUSH_SECONDS, REST_SECONDS, RepeatPace

MICROSECOND = 1e-6


class Stream:
    """Events that come in at a rate and cost triage so much each; nothing is worked off."""

    def __init__(self, per_second: float, cost_microseconds: float, busy_share: float, in_a_commit: float = 40) -> None:
        self.now = 100.0
        self.lag = 0.0
        self._rate = per_second
        self._accepted = self._commits = self._busy = 0.0
        self._share, self._in_a_commit = busy_share, in_a_commit
        self.pace = RepeatPace(
            lambda: int(self._accepted), lambda: int(self._commits), lambda: self.lag, lambda: self._busy
        )
        self.pace.due(self.now)
        for _ in range(50):
            self.pace.took(cost_microseconds * MICROSECOND * 400, 400)

    def goes_on(self, seconds: float) -> bool:
        """Let time pass, and say whether repeats are due then."""
        self.now += seconds
        self.lag += seconds
        self._accepted += self._rate * seconds
        self._commits += self._rate * seconds / self._in_a_commit
        self._busy += self._share * seconds
        return self.pace.due(self.now)


@pytest.mark.requirement("ING-08")
def test_at_three_thousand_a_second_repeats_are_due_twice_a_second() -> None:
    stream = Stream(3_000, 60, 0.5, in_a_commit=2)
    assert stream.goes_on(0.3)
    stream.pace.flushed(stream.now)
    assert not stream.goes_on(REPEAT_FLUSH_SECONDS * 0.9)
    assert stream.goes_on(REPEAT_FLUSH_SECONDS * 0.2)


@pytest.mark.requirement("ING-08")
def test_in_a_burst_repeats_rest_until_the_oldest_has_waited_its_time() -> None:
    stream = Stream(20_000, 20, 0.9)
    waited = 0.0
    while not stream.goes_on(0.3):
        waited += 0.3
        assert waited < REST_SECONDS
    assert stream.lag >= REST_SECONDS


def test_in_a_burst_accepting_has_as_much_time_as_a_batch_took() -> None:
    stream = Stream(20_000, 20, 0.9)
    while not stream.goes_on(0.3):
        pass
    stream.pace.worked(stream.now, 0.1)
    assert not stream.goes_on(0.05)
    assert stream.goes_on(0.06)


def test_far_behind_nothing_pauses_any_more() -> None:
    stream = Stream(20_000, 20, 0.9)
    while stream.lag < HURRY_SECONDS:
        stream.goes_on(0.3)
    stream.pace.worked(stream.now, 0.1)
    assert stream.goes_on(0.01)


def test_after_the_burst_they_are_due_at_once() -> None:
    stream = Stream(20_000, 20, 0.9)
    assert not stream.goes_on(0.5)
    stream._rate, stream._share = 0, 0.1
    assert stream.goes_on(0.3)


def test_one_costly_batch_does_not_pass_for_a_burst() -> None:
    stream = Stream(150, 20, 0.9)
    stream.pace.took(30.0, 1)
    assert stream.goes_on(0.5)


def test_a_loop_that_is_busy_with_other_things_is_no_burst() -> None:
    assert Stream(100, 20, 1.0).goes_on(0.5)

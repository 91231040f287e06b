"""Backoff, circuit breaker and rate window: every rule, with a clock that is a number."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_incident_manager.resilience.backoff import delay
from llm_incident_manager.resilience.breaker import Allowed, BreakerState, CircuitBreaker, Probe, Refused
from llm_incident_manager.resilience.sliding_window import SlidingWindow


@pytest.mark.requirement("REL-02")
@pytest.mark.parametrize(
    ("attempt", "seconds"), [(0, 1), (1, 2), (2, 4), (3, 8), (4, 16), (5, 30), (6, 30), (5_000, 30)]
)
def test_wait_doubles_from_one_second_to_thirty(attempt: int, seconds: float) -> None:
    assert delay(attempt) == seconds


@pytest.mark.requirement("REL-02")
def test_jitter_adds_up_to_thirty_percent() -> None:
    assert delay(1, jitter=0.0) == 2.0
    assert delay(1, jitter=0.5) == pytest.approx(2.3)
    assert delay(9, jitter=1.0) == pytest.approx(39.0)


@pytest.mark.parametrize(("attempt", "jitter"), [(-1, 0.0), (0, 1.5), (0, -0.1)])
def test_nonsense_is_refused(attempt: int, jitter: float) -> None:
    with pytest.raises(ValueError, match=r"attempt|jitter"):
        delay(attempt, jitter=jitter)


def opened(at: float = 0.0) -> CircuitBreaker:
    breaker = CircuitBreaker()
    for _ in range(5):
        assert breaker.admit(at) == Allowed()
        breaker.failed(at)
    return breaker


@pytest.mark.requirement("REL-01")
def test_opens_at_the_fifth_failure_in_a_row() -> None:
    breaker = CircuitBreaker()
    for _ in range(4):
        breaker.failed(0.0)
    assert breaker.state(0.0) is BreakerState.CLOSED
    breaker.failed(1.0)
    assert breaker.state(1.0) is BreakerState.OPEN
    assert breaker.admit(2.0) == Refused(retry_at=61.0)


@pytest.mark.requirement("REL-01")
def test_a_success_forgets_earlier_failures() -> None:
    breaker = CircuitBreaker()
    for _ in range(4):
        breaker.failed(0.0)
    breaker.succeeded(0.0)
    for _ in range(4):
        breaker.failed(0.0)
    assert breaker.admit(0.0) == Allowed()


@pytest.mark.requirement("REL-01")
def test_after_the_timeout_one_probe_at_a_time() -> None:
    breaker = opened()
    assert breaker.admit(59.9) == Refused(retry_at=60.0)
    assert breaker.state(60.0) is BreakerState.HALF_OPEN
    assert breaker.admit(60.0) == Probe()
    assert breaker.admit(60.0) == Refused(retry_at=61.0)


@pytest.mark.requirement("REL-01")
def test_two_successes_close() -> None:
    breaker = opened()
    assert breaker.admit(60.0) == Probe()
    breaker.succeeded(60.5)
    assert breaker.state(60.5) is BreakerState.HALF_OPEN
    assert breaker.admit(60.5) == Probe()
    breaker.succeeded(60.6)
    assert breaker.state(60.6) is BreakerState.CLOSED
    assert breaker.admit(60.6) == Allowed()


@pytest.mark.requirement("REL-01")
def test_a_failed_probe_opens_for_another_timeout_even_after_a_success() -> None:
    breaker = opened()
    breaker.admit(60.0)
    breaker.succeeded(60.0)
    assert breaker.admit(61.0) == Probe()
    breaker.failed(62.0)
    assert breaker.admit(100.0) == Refused(retry_at=122.0)
    assert breaker.admit(122.0) == Probe()
    breaker.succeeded(122.0)
    assert breaker.state(122.0) is BreakerState.HALF_OPEN, "successes are counted anew"


def test_a_lost_probe_does_not_block_for_ever() -> None:
    breaker = opened()
    assert breaker.admit(60.0) == Probe()
    assert breaker.admit(89.5) == Refused(retry_at=90.0)
    assert breaker.admit(90.0) == Probe()


def test_the_only_path_of_an_urgent_page_is_the_probe_of_an_open_breaker() -> None:
    breaker = opened()
    assert breaker.admit(1.0) == Refused(retry_at=60.0)
    assert breaker.admit(1.0, only_path=True) == Probe()
    assert breaker.admit(1.0, only_path=True) == Refused(retry_at=2.0), "one at a time"
    breaker.failed(11.0)
    assert breaker.admit(12.0) == Refused(retry_at=71.0)
    assert breaker.admit(12.0, only_path=True) == Probe()
    breaker.succeeded(12.0)
    assert breaker.admit(12.0) == Probe()
    breaker.succeeded(12.0)
    assert breaker.admit(12.0) == Allowed()


def test_late_answers_of_earlier_calls_neither_close_nor_prolong() -> None:
    breaker = opened()
    breaker.succeeded(1.0)
    breaker.failed(30.0)
    assert breaker.admit(30.0) == Refused(retry_at=60.0)


def test_state_numbers_are_those_of_the_gauge() -> None:
    assert [int(state) for state in BreakerState] == [0, 1, 2]


def test_window_admits_the_limit_and_says_when_to_come_back() -> None:
    window = SlidingWindow(1000, 60.0)
    assert all(window.take(0.0) == 0.0 for _ in range(1000))
    wait = window.take(0.0)
    assert wait == pytest.approx(60.06)
    assert window.take(wait - 0.01) > 0.0
    assert window.take(wait + 0.001) == 0.0


def test_window_refuses_the_double_burst_at_the_border_of_two_minutes() -> None:
    window = SlidingWindow(1000, 60.0)
    assert window.take(0.0) == 0.0
    assert window.take(59.0, 999) == 0.0
    assert window.take(61.0, 900) > 0.0


def test_reserve_is_a_tenth_and_apart() -> None:
    window = SlidingWindow(1000, 60.0)
    assert window.take(0.0, 1000) == 0.0
    assert window.take(0.0) > 0.0
    assert window.take_reserve(0.0, 100) == 0.0
    assert window.take_reserve(0.0) > 0.0


def test_a_batch_takes_what_fits() -> None:
    window = SlidingWindow(100, 60.0)
    assert window.take(0.0, 70) == 0.0
    assert window.take(0.0, 70) > 0.0
    assert window.room(0.0) == 30
    assert window.take(0.0, 30) == 0.0
    assert window.take(0.0, 101) == 60.0


def test_a_silent_key_is_idle_after_two_windows() -> None:
    window = SlidingWindow(10, 60.0)
    assert window.is_idle(0.0)
    window.take(0.0)
    assert not window.is_idle(60.0)
    assert window.is_idle(121.0)


def test_a_clock_that_goes_back_admits_nothing_extra() -> None:
    window = SlidingWindow(10, 60.0)
    window.take(100.0, 10)
    assert window.take(40.0) > 0.0


@given(st.integers(1, 50), st.lists(st.tuples(st.floats(0, 30), st.integers(1, 20)), max_size=60))
def test_waiting_as_told_is_enough(limit: int, steps: list[tuple[float, int]]) -> None:
    window = SlidingWindow(limit, 60.0)
    now = 0.0
    for step, n in steps:
        now += step
        wait = window.take(now, n)
        if wait > 0.0 and n <= limit:
            now += wait + 1e-6
            assert window.take(now, n) == 0.0
        assert window.room(now) >= 0

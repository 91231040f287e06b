"""How long to wait before the next try (specification §8.2.2)."""


def delay(attempt: int, *, base: float = 1.0, factor: float = 2.0, cap: float = 30.0, jitter: float = 0.0) -> float:
    """Return the seconds to wait after the failed try number ``attempt`` (0 is the first).

    The wait grows from ``base`` by ``factor`` up to ``cap`` seconds. ``jitter`` is a random number from 0 to 1 drawn by
    the caller; it adds up to 30 % to the capped wait, so that many senders do not come back at the same instant.

    Raises:
        ValueError: ``attempt`` is negative, or ``jitter`` is outside 0 to 1.
    """
    if attempt < 0:
        raise ValueError(f"attempt is {attempt}, the first one is 0")
    if not 0.0 <= jitter <= 1.0:
        raise ValueError(f"jitter is {jitter}, it is a random number from 0 to 1")
    try:
        wait = min(base * factor**attempt, cap)
    except OverflowError:
        wait = cap
    return wait + jitter * 0.3 * wait

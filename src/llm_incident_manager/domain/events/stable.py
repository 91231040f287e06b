"""Names for senders that have none: the same trouble in the same state gets the same event id, whenever it is sent.

Tools such as Alertmanager repeat a state every minute. Their event id is made of what the state is, so that a repeat is
a duplicate and counts nothing.
"""

import hashlib

_LONGEST = 255
_DIGEST_DIGITS = 32


def stable_event_id(*parts: str) -> str:
    """Return 32 hex digits that only these parts, in this order, make: usually dedup key, start and state."""
    measured = "".join([f"{len(part)}:{part}" for part in parts])  # lengths keep ("ab", "c") apart from ("a", "bc")
    return hashlib.blake2b(measured.encode("utf-8", "surrogatepass"), digest_size=_DIGEST_DIGITS // 2).hexdigest()


def fitting_key(text: str, limit: int = _LONGEST) -> str:
    """Return a sender's own name for something, cut to ``limit`` characters without meeting another one by accident.

    A short name stays as it is; the end of a long one gives way to a digest of the whole.
    """
    if len(text) <= limit:
        return text
    return f"{text[: limit - _DIGEST_DIGITS - 1]}#{stable_event_id(text)}"

"""Text from events is hostile: it is made harmless here before a mail server or a chat sees it."""

import re

_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
_BREAKS = re.compile("[\r\n\t\u2028\u2029]+")
_DIRECTION = re.compile("[\u202a-\u202e\u2066-\u2069\u200e\u200f\u061c]")
_LONE_SURROGATE = re.compile("[\ud800-\udfff]")


def cut(text: str, limit: int) -> str:
    """Return ``text`` in at most ``limit`` characters, the last one … if something is missing."""
    return text if len(text) <= limit else text[: limit - 1] + "…"


def printable(text: str, limit: int) -> str:
    r"""Return ``text`` without control characters, and without those that turn the reading direction of what follows.

    Line ends become ``\n``; what cannot be encoded becomes U+FFFD.
    """
    # Cut first with room to spare, so that a huge text is not searched whole.
    short = (
        cut(text, limit * 2).replace("\r\n", "\n").replace("\r", "\n").replace("\u2028", "\n").replace("\u2029", "\n")
    )
    return cut(_LONE_SURROGATE.sub("\ufffd", _DIRECTION.sub("", _CONTROL.sub("", short))), limit)


def one_line(text: str, limit: int) -> str:
    """Return :func:`printable` text in one line: fit for a header, a title or a log line."""
    return cut(_BREAKS.sub(" ", printable(text, limit)).strip(), limit)

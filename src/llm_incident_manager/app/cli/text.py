"""Text for a terminal: what came from outside cannot move the cursor, colour the screen or change what is read."""

import json
import re
from datetime import UTC, datetime
from typing import Any

# C0 (without tab and newline), DEL, C1, bidirectional overrides and isolates, line and paragraph separators, BOM.
_UNSAFE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufeff]")
_UNSAFE_IN_JSON = re.compile("[\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufeff\ud800-\udfff]")
_CONTROL_PICTURES = 0x2400
_DELETE = 0x7F


def harmless(value: object, *, one_line: bool = False) -> str:
    """Return ``value`` as text in which every control character is a visible sign; ``one_line`` folds line ends too."""
    text = "–" if value is None else str(value)
    if one_line:
        text = " ".join(text.split("\n")).replace("\t", " ")
    text = text.encode(errors="replace").decode()
    return _UNSAFE.sub(_visible, text.replace("\r\n", "\n"))


def json_text(document: Any) -> str:
    """Return indented JSON for scripts, readable in a terminal: control characters stay escaped."""
    written = json.dumps(document, indent=2, ensure_ascii=False, default=str)
    return _UNSAFE_IN_JSON.sub(lambda found: f"\\u{ord(found[0]):04x}", written)


def instant(value: object) -> str:
    """Return an instant of the API as ``2027-01-04 09:00:00Z``; a dash where there is none."""
    if not isinstance(value, str):
        return "–"
    try:
        return f"{datetime.fromisoformat(value).astimezone(UTC):%Y-%m-%d %H:%M:%S}Z"
    except (ValueError, OverflowError):
        return harmless(value, one_line=True)


def duration(value: object) -> str:
    """Return seconds as people say them: ``4 min 10 s``, ``2 h 5 min``; a dash where there are none."""
    if not isinstance(value, int | float):
        return "–"
    seconds = round(value)
    if seconds < 60:
        return f"{seconds} s"
    parts = [(seconds // 86_400, "d"), (seconds // 3600 % 24, "h"), (seconds // 60 % 60, "min"), (seconds % 60, "s")]
    first = next(index for index, (number, _) in enumerate(parts) if number)
    return " ".join(f"{number} {unit}" for number, unit in parts[first : first + 2] if number)


def _visible(found: re.Match[str]) -> str:
    code = ord(found[0])
    if code < 0x20:
        return chr(_CONTROL_PICTURES + code)
    return "␡" if code == _DELETE else f"<U+{code:04X}>"

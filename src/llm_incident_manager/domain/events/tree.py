"""Free-form values (payload, metadata): how deep they go, and what in them cannot be stored or told on."""

import json
import math
from collections.abc import Iterator
from typing import Any

import msgspec

from llm_incident_manager.errors import FieldFault

MAX_DEPTH = 32
"""How deeply a payload may be nested; the payload itself is level 1."""

_MAX_FAULTS = 10


def deeper_than(value: object, limit: int) -> bool:
    """Whether objects and lists are nested more than ``limit`` levels; never recurses further than that."""
    if isinstance(value, dict):
        children: Any = value.values()
    elif isinstance(value, list | tuple):
        children = value
    else:
        return False
    if limit == 0:
        return True
    for child in children:
        kind = type(child)
        if kind is not str and kind is not float and kind is not int and deeper_than(child, limit - 1):
            return True
    return False


def text_fault(text: str) -> str | None:
    """Return what is wrong with the characters of ``text``: a NUL, or half of a surrogate pair."""
    if "\x00" in text:
        return "holds a NUL character (U+0000); leave it out"
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError as error:
            return (
                f"holds half of a surrogate pair (U+{ord(text[error.start]):04X}) at character {error.start}; "
                "send the whole character"
            )
    return None


def number_fault(value: float) -> str | None:
    """Return what is wrong with a number: not finite, or out of the range of a double."""
    try:
        finite = math.isfinite(value)
    except OverflowError:
        finite = False
    return None if finite else "is out of range; it must be a finite number of at most 1.8e308"


def tree_faults(path: str, value: object) -> list[FieldFault]:
    """Return what in ``value`` cannot be kept, by path; at most ten, and only one for the depth."""
    if deeper_than(value, MAX_DEPTH):
        return [FieldFault(path, f"is nested deeper than {MAX_DEPTH} levels; flatten it, or send it as text")]
    if _plainly_sound(value):
        return []
    faults: list[FieldFault] = []
    for fault in _walk(path, value):
        faults.append(fault)
        if len(faults) == _MAX_FAULTS:
            break
    return faults


def shown(value: object, limit: int = 60) -> str:
    """Return ``value`` as people would write it in JSON, shortened, safe to print and to send."""
    if isinstance(value, dict):
        return "an object"
    if isinstance(value, list | tuple):
        return "a list"
    if isinstance(value, str):
        text = json.dumps(value[: limit + 1], ensure_ascii=not _printable(value[: limit + 1]))
        return text if len(value) <= limit else text[:limit] + '…"'
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) >= 10**40:
        return "a number of more than 40 digits"
    return json.dumps(value) if value is None or isinstance(value, bool | int | float) else type(value).__name__


def member(path: str, key: object) -> str:
    """Return the path of one member, its key shortened and made printable."""
    text = str(key)
    text = text if len(text) <= 60 else text[:60] + "…"
    if not _printable(text):
        text = json.dumps(text)[1:-1]
    return f"{path}.{text}" if path else text


def _printable(text: str) -> bool:
    return text.isprintable()


def _plainly_sound(value: object) -> bool:
    """Whether ``value`` survives a round trip at the codec's speed; ``False`` only means that it must be walked."""
    try:
        encoded = msgspec.json.encode(value)
        # A number that is not finite is encoded as null, so a null is a reason to look closely.
        if b"\\u0000" in encoded or b"null" in encoded:
            return False
        msgspec.json.decode(encoded)
    except (msgspec.MsgspecError, TypeError, ValueError, OverflowError, RecursionError):
        return False
    return True


def _walk(path: str, value: object) -> Iterator[FieldFault]:
    if isinstance(value, str):
        message = text_fault(value)
    elif isinstance(value, bool) or value is None:
        message = None
    elif isinstance(value, int | float):
        message = number_fault(value)
    elif isinstance(value, dict):
        for key, child in value.items():
            if not isinstance(key, str):
                yield FieldFault(member(path, key), "has a name that is not text; names of members must be text")
                continue
            wrong = text_fault(key)
            if wrong is not None:
                yield FieldFault(member(path, key), f"has a name that {wrong}")
            yield from _walk(member(path, key), child)
        return
    elif isinstance(value, list | tuple):
        for index, child in enumerate(value):
            yield from _walk(f"{path}[{index}]", child)
        return
    else:
        message = f"is a {type(value).__name__}; it must be text, a number, true, false, null, a list or an object"
    if message is not None:
        yield FieldFault(path, message)

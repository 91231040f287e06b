"""A mapping that people write: which member of somebody's JSON is which member of an event."""

import re
from typing import Any

import msgspec

FIELDS = (
    "event_id", "timestamp", "event_type", "category", "title", "description", "severity", "environment", "dedup_key",
    "resource_type", "resource_id", "resource_name", "correlation_id", "source_version",
)  # fmt: skip
"""What a mapping may fill, beside tags, metrics and labels."""

_PLACE = re.compile(r"\{([^{}]*)\}")
_INDEX = re.compile(r"\[(-?\d+)\]")
_MAX_TEXT = 4000


class FieldPath(msgspec.Struct, frozen=True):
    """Where a value stands: keys and indexes from the item on, or from the whole document (``absolute``, ``$.``)."""

    steps: tuple[str, ...]
    absolute: bool = False

    def found_in(self, item: Any, document: Any) -> Any:
        """Return the value there, ``None`` where there is none."""
        value = document if self.absolute else item
        for step in self.steps:
            if isinstance(value, dict):
                value = value.get(step)
            elif isinstance(value, list) and step.lstrip("-").isdecimal() and step.isascii() and len(step) < 8:
                index = int(step)
                value = value[index] if -len(value) <= index < len(value) else None
            else:
                return None
        return value


class FieldRule(msgspec.Struct, frozen=True, kw_only=True):
    """One value: that of a path, or a text in which paths are filled in; ``default`` where nothing is found."""

    pieces: tuple[str | FieldPath, ...]
    default: str | None = None

    def value(self, item: Any, document: Any) -> Any:
        """Return what the rule finds: a path's own value, else text."""
        if len(self.pieces) == 1 and isinstance(self.pieces[0], FieldPath):
            found = self.pieces[0].found_in(item, document)
            return self.default if found is None or found == "" else found
        texts = [each if isinstance(each, str) else _text(each.found_in(item, document)) for each in self.pieces]
        paths = [text for text, each in zip(texts, self.pieces, strict=True) if isinstance(each, FieldPath)]
        if paths and not any(paths):
            return self.default
        return "".join(texts)[:_MAX_TEXT]


class FieldCondition(msgspec.Struct, frozen=True, kw_only=True):
    """Whether a value is one of some words, whatever their case."""

    rule: FieldRule
    words: frozenset[str]

    def holds(self, item: Any, document: Any) -> bool:
        """Whether it is so for this item."""
        return _text(self.rule.value(item, document)).strip().lower() in self.words


class FieldMapping(msgspec.Struct, frozen=True, kw_only=True):
    """How a source's JSON becomes events: ``items`` is the list of them, if there is one."""

    items: FieldPath | None = None
    fields: dict[str, FieldRule] = {}
    tags: dict[str, FieldRule] = {}
    metrics: dict[str, FieldRule] = {}
    labels: tuple[FieldRule, ...] = ()
    resolve: FieldCondition | None = None
    ignore: FieldCondition | None = None


def read_path(text: str) -> FieldPath:
    """Return ``alert.labels[0].name`` or ``$.alert`` as a path; raises ValueError for what is none."""
    word = _INDEX.sub(r".\1", text.strip())
    absolute = word == "$" or word.startswith("$.")
    steps = tuple(word.removeprefix("$").removeprefix(".").split(".")) if word != "$" else ()
    if any(not step.strip() or len(step) > 200 for step in steps) or len(steps) > 20:
        raise ValueError("write a path as alert.labels.name or alerts[0].id")
    return FieldPath(steps=steps, absolute=absolute)


def read_rule(text: str, default: str | None = None) -> FieldRule:
    """Return a rule: a path, or a text with paths in braces; raises ValueError."""
    if "{" not in text and "}" not in text:
        return FieldRule(pieces=(read_path(text),), default=default)
    parts = _PLACE.split(text)
    if any(brace in part for part in parts[::2] for brace in "{}"):
        raise ValueError("every brace needs its partner, as in {alert.name}")
    pieces = tuple(read_path(part) if index % 2 else part for index, part in enumerate(parts) if index % 2 or part)
    return FieldRule(pieces=pieces, default=default)


def literal(text: str) -> FieldRule:
    """Return the rule that always says ``text``."""
    return FieldRule(pieces=(text,))


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)[:_MAX_TEXT] if isinstance(value, str | int | float) and not _huge(value) else ""


def _huge(value: Any) -> bool:
    return isinstance(value, int) and abs(value) >= 10**40

"""Conditions on an event: a typed tree, compiled once, that can tell people what it looked at."""

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from llm_incident_manager.domain.classification.pattern import MAX_TEXT, compile_pattern
from llm_incident_manager.domain.events.event import Event
from llm_incident_manager.domain.events.normalise import ENVIRONMENTS
from llm_incident_manager.domain.events.severity import severity_of
from llm_incident_manager.domain.events.tree import member, shown
from llm_incident_manager.domain.vocabulary import Category
from llm_incident_manager.errors import FieldFault

Test = Callable[[Event], bool]
Look = Callable[[Event], Any]

FIELDS = (
    "source", "source_version", "event_type", "category", "title", "description", "severity", "environment",
    "correlation_id", "resource.type", "resource.id", "resource.name", "labels",
)  # fmt: skip
"""``severity`` is what the source's word maps to. Also ``tags.X``, ``metrics.X``, ``payload.X.Y``, ``enrichment.X``,
``resource.metadata.X``."""

OPERATIONS = ("above", "below", "equals", "not_equals", "contains", "matches", "in", "exists")

_FREE = ("tags.", "metrics.", "payload.", "enrichment.", "resource.metadata.")
_MAX_LEVELS = 10
_WORDS = {
    "above": "above", "below": "below", "equals": "is", "not_equals": "is not", "contains": "contains",
    "matches": "matches", "in": "is one of",
}  # fmt: skip


class Leaf(msgspec.Struct, frozen=True):
    """One comparison: its text, what it looks at, and the test."""

    text: str
    look: Look
    test: Test


class Condition(msgspec.Struct, frozen=True):
    """A compiled condition: ``text`` is the whole as a sentence part, ``leaves`` are its comparisons in order."""

    text: str
    test: Test
    leaves: tuple[Leaf, ...]


def parse_condition(document: object, path: str, faults: list[FieldFault], level: int = 1) -> Condition:
    """Return the compiled condition; what is wrong is added to ``faults``, and the result then means nothing.

    An object with ``field``, ``op`` and ``value`` is one comparison. Otherwise all members must hold: ``all`` and
    ``any`` (lists), ``not``, ``tags`` and ``metrics`` (objects), or a field's name with its value or list of values.
    An empty object holds always.
    """
    if not isinstance(document, Mapping):
        faults.append(FieldFault(path, f"is {shown(document)}; it must be an object"))
        return _ALWAYS
    if level > _MAX_LEVELS:
        faults.append(FieldFault(path, f"is nested deeper than {_MAX_LEVELS} levels"))
        return _ALWAYS
    if "field" in document:
        return _comparison(document, path, faults)
    parts: list[Condition] = []
    for key, value in document.items():
        where = member(path, key)
        if key in ("all", "any"):
            parts.append(_list(str(key), value, where, faults, level))
        elif key == "not":
            inner = parse_condition(value, where, faults, level + 1)
            parts.append(Condition(f"not ({inner.text})", _negated(inner.test), inner.leaves))
        elif key in ("tags", "metrics") and isinstance(value, Mapping):
            for name, wanted in value.items():
                parts.append(_shorthand(f"{key}.{name}", wanted, member(where, name), faults))
        else:
            parts.append(_shorthand(str(key), value, where, faults))
    return _all(parts)


def found_text(leaf: Leaf, event: Event) -> str:
    """Return the comparison with the value found."""
    found = leaf.look(event)
    return f"{leaf.text} (found: {'nothing' if found is None else shown(found)})"


def _list(key: str, value: object, path: str, faults: list[FieldFault], level: int) -> Condition:
    if not isinstance(value, list | tuple) or not value:
        faults.append(FieldFault(path, f"is {shown(value)}; it must be a list of conditions, not empty"))
        return _ALWAYS
    parts = [parse_condition(each, f"{path}[{index}]", faults, level + 1) for index, each in enumerate(value)]
    if key == "all":
        return _all(parts)
    tests = tuple(part.test for part in parts)
    text = " or ".join(part.text for part in parts)
    return Condition(f"({text})", lambda event: any(test(event) for test in tests), _leaves(parts))


def _all(parts: list[Condition]) -> Condition:
    if not parts:
        return _ALWAYS
    if len(parts) == 1:
        return parts[0]
    tests = tuple(part.test for part in parts)
    text = " and ".join(part.text for part in parts)
    return Condition(text, lambda event: all(test(event) for test in tests), _leaves(parts))


def _leaves(parts: list[Condition]) -> tuple[Leaf, ...]:
    return tuple(leaf for part in parts for leaf in part.leaves)


def _negated(test: Test) -> Test:
    return lambda event: not test(event)


def _shorthand(field: str, value: object, path: str, faults: list[FieldFault]) -> Condition:
    if isinstance(value, Mapping):
        if len(value) == 1 and (operation := next(iter(value))) in OPERATIONS:
            return _comparison({"field": field, "op": operation, "value": value[operation]}, path, faults)
        faults.append(
            FieldFault(path, f"must be a value, a list of values, or one of {{{', '.join(OPERATIONS)}}}: value")
        )
        return _ALWAYS
    operation = "in" if isinstance(value, list | tuple) else "equals"
    return _comparison({"field": field, "op": operation, "value": value}, path, faults)


def _comparison(document: Mapping[Any, Any], path: str, faults: list[FieldFault]) -> Condition:
    before = len(faults)
    field, operation, value = document["field"], document.get("op"), document.get("value")
    faults += [
        FieldFault(member(path, key), "is not known here; a comparison has field, op and value")
        for key in document
        if key not in ("field", "op", "value")
    ]
    if not isinstance(field, str) or not (field in FIELDS or field.startswith(_FREE)):
        remedy = f"it must be one of {', '.join(FIELDS)}, or begin with {', '.join(_FREE)}"
        faults.append(FieldFault(path, f"looks at {shown(field)}; {remedy}"))
    if operation not in OPERATIONS:
        faults.append(FieldFault(path, f"has op {shown(operation)}; it must be one of {', '.join(OPERATIONS)}"))
    if len(faults) > before:
        return _ALWAYS
    try:
        wanted = _wanted(field, str(operation), value)
        compare = _compare(str(operation), wanted)
    except ValueError as error:
        faults.append(FieldFault(path, str(error)))
        return _ALWAYS
    look = _look(field)
    leaf = Leaf(_text(field, str(operation), wanted), look, lambda event: compare(look(event)))
    return Condition(leaf.text, leaf.test, (leaf,))


def _wanted(field: str, operation: str, value: object) -> Any:
    """Return the value to compare with, in the field's own words; raises ValueError with the remedy."""
    if operation in ("above", "below"):
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise ValueError(f"has value {shown(value)}; {operation} needs a number")
        return value
    if operation == "exists":
        if not isinstance(value, bool) and value is not None:
            raise ValueError(f"has value {shown(value)}; exists needs true or false")
        return value is not False
    if operation == "in":
        if not isinstance(value, list | tuple) or not value:
            raise ValueError(f"has value {shown(value)}; in needs a list, not empty")
        return tuple(_word(field, each) for each in value)
    if operation in ("contains", "matches"):
        if not isinstance(value, str) or not value:
            raise ValueError(f"has value {shown(value)}; {operation} needs text")
        return value
    return _word(field, value)


def _word(field: str, value: object) -> str | int | float:
    if isinstance(value, bool):
        return "true" if value else "false"
    if not isinstance(value, str | int | float):
        raise ValueError(f"has value {shown(value)}; it must be text or a number")
    known: object = value
    if field == "severity":
        known = severity_of(str(value), {})
        remedy = "P0 to P4 or a word for one"
    elif field == "category":
        known, remedy = (value if value in Category.__members__.values() else None), f"one of {', '.join(Category)}"
    elif field == "environment":
        known, remedy = ENVIRONMENTS.get(str(value).lower()), "production, staging, development or qa"
    if known is None:
        raise ValueError(f"has value {shown(value)}; it must be {remedy}")
    return known if isinstance(known, str | int | float) else value


def _look(field: str) -> Look:
    if not field.startswith(_FREE):
        names = field.split(".")
        if len(names) == 2:
            return lambda event: getattr(event.resource, names[1])
        name = "source_severity" if field == "severity" else field
        return lambda event: getattr(event, name)
    kind, _, rest = field.partition(".")
    if kind in ("tags", "metrics"):
        return lambda event: getattr(event, kind).get(rest)
    if kind == "resource":
        key = rest.removeprefix("metadata.")
        return lambda event: _deep(event.resource.metadata, key)
    return lambda event: _deep(getattr(event, kind), rest)


def _deep(value: Any, path: str) -> Any:
    if isinstance(value, Mapping) and path in value:
        return value[path]
    for name in path.split("."):
        if not isinstance(value, Mapping):
            return None
        value = value.get(name)
    return value


def _compare(operation: str, wanted: Any) -> Callable[[Any], bool]:
    if operation == "above":
        return lambda found: _is_number(found) and found > wanted
    if operation == "below":
        return lambda found: _is_number(found) and found < wanted
    if operation == "equals":
        return lambda found: _equal(found, wanted)
    if operation == "not_equals":
        return lambda found: not _equal(found, wanted)
    if operation == "in":
        return lambda found: any(_equal(found, each) for each in wanted)
    if operation == "exists":
        return lambda found: (found is not None) is wanted
    if operation == "contains":
        folded = wanted.casefold()
        return lambda found: _contains(found, wanted, folded)
    pattern = compile_pattern(wanted)
    return lambda found: isinstance(found, str) and pattern.search(found[:MAX_TEXT]) is not None


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _equal(found: Any, wanted: str | float) -> bool:
    if isinstance(found, bool):
        found = "true" if found else "false"
    if found is None or isinstance(found, Mapping | list | tuple):
        return False
    return bool(found == wanted) or (not isinstance(found, float) and str(found) == str(wanted))


def _contains(found: object, wanted: str, folded: str) -> bool:
    if isinstance(found, str):
        return folded in found.casefold()
    return isinstance(found, list | tuple) and any(_equal(each, wanted) for each in found)


def _text(field: str, operation: str, wanted: Any) -> str:
    name = field.replace("tags.", "tag ", 1).removeprefix("metrics.")
    if operation == "exists":
        return f"{name} is {'there' if wanted else 'absent'}"
    listed = ", ".join(str(each) for each in wanted) if operation == "in" else f"{wanted}"
    return f"{name} {_WORDS[operation]} {listed}"


_ALWAYS = Condition("always", lambda event: True, ())

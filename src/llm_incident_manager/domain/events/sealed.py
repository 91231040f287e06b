"""Members of an event that are encrypted before anything is kept: which they are, taken out and put back (SEC-04).

What is taken out is replaced by :data:`MARKER`, so that everything behind the intake (incidents, pages, audit trail) is
made of what is left. A place is the list of steps to a value, as JSON text; it stands beside the ciphertext.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from llm_incident_manager.domain.events.event import Event
from llm_incident_manager.domain.events.sealed_path import NEEDED_TAGS, TEXTS, SealedPath

MARKER = "[encrypted]"
MOST_VALUES = 256
"""A path that stands for more values takes the whole of its first member as one."""
SHORTEST_COPY = 6
"""Characters: copies of a shorter text in title and description are left, it would be found in any word."""

_WHOLE = (("payload",), ("resource", "metadata"))


def document_of(event: Event) -> dict[str, Any]:
    """Return the event as its source could have sent it: read again, it is the same event."""
    resource = event.resource
    found = {
        "event_id": event.event_id,
        "source": event.source,
        "source_version": event.source_version or None,
        "timestamp": event.timestamp.isoformat(),
        "event_type": event.event_type,
        "category": event.category.value,
        "title": event.title,
        "description": event.description or None,
        "severity": event.severity,
        "resource": {
            "type": resource.type, "id": resource.id, "name": resource.name, "metadata": _copied(resource.metadata),
        },
        "metrics": dict(event.metrics),
        "tags": dict(event.tags),
        "labels": list(event.labels),
        "correlation_id": event.correlation_id,
        "parent_event_id": event.parent_event_id,
        "dedup_key": event.dedup_key,
        "payload": _copied(event.payload),
        "schema_version": event.schema_version,
    }  # fmt: skip
    return {name: value for name, value in found.items() if value is not None}


def take_out(document: dict[str, Any], paths: tuple[SealedPath, ...]) -> dict[str, Any]:
    """Return the values at ``paths`` by place, and leave markers in ``document``.

    Copies of a text that was taken out are taken out of title, description and the resource's name as well: each of
    these is then encrypted whole.
    """
    places: dict[tuple[str | int, ...], None] = {}
    for path in paths:
        found = []
        for place in _places(document, path.steps, ()):
            found.append(place)
            if len(found) > MOST_VALUES:
                root = path.steps[:2] if path.steps[0] == "resource" else path.steps[:1]
                found = [tuple(root)]
                break
        places |= dict.fromkeys(place for place in found if place[0] != "tags" or place[-1] not in NEEDED_TAGS)
    kept = [place for place in places if not any(place[:length] in places for length in range(1, len(place)))]
    values = {place: _at(document, place) for place in kept}
    texts = [text for value in values.values() for text in _texts(value) if len(text) >= SHORTEST_COPY][:MOST_VALUES]
    for place in TEXTS:
        own = _at(document, place)
        if place not in values and isinstance(own, str) and any(text in own for text in texts):
            values[place] = own
    for place in values:
        _set(document, place, {"…": MARKER} if place in _WHOLE else MARKER)
    return {_written(place): value for place, value in values.items()}


def put_back(document: dict[str, Any], values: Mapping[str, Any]) -> None:
    """Put values in their places; one that is not there any more is left out."""
    for place, value in values.items():
        _set(document, tuple(msgspec.json.decode(place)), value)


def _places(value: Any, steps: tuple[str, ...], so_far: tuple[str | int, ...]) -> Iterator[tuple[str | int, ...]]:
    if not steps:
        if value is not None and value != "":
            yield so_far
        return
    step, rest = steps[0], steps[1:]
    if isinstance(value, dict):
        names = list(value) if step == "*" else [step] if step in value else []
        for name in names:
            yield from _places(value[name], rest, (*so_far, name))
    elif isinstance(value, list):
        numbers = (
            range(len(value)) if step == "*" else [int(step)] if step.isdecimal() and int(step) < len(value) else ()
        )
        for number in numbers:
            yield from _places(value[number], rest, (*so_far, number))


def _at(document: Any, place: tuple[str | int, ...]) -> Any:
    for step in place:
        try:
            document = document[step]
        except (KeyError, IndexError, TypeError):
            return None
    return document


def _set(document: Any, place: tuple[str | int, ...], value: Any) -> None:
    inner = _at(document, place[:-1])
    last = place[-1]
    if isinstance(inner, dict) or (isinstance(inner, list) and isinstance(last, int) and last < len(inner)):
        inner[last] = value  # type: ignore[index]


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for each in value.values():
            yield from _texts(each)
    elif isinstance(value, list):
        for each in value:
            yield from _texts(each)


def _copied(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _copied(each) for name, each in value.items()}
    return [_copied(each) for each in value] if isinstance(value, list) else value


def _written(place: tuple[str | int, ...]) -> str:
    return msgspec.json.encode(list(place)).decode()

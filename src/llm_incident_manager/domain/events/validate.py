"""The slow, complete validator: it reads permissively where allowed, and names every bad field with its remedy."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Any

import msgspec

from llm_incident_manager.domain.events.raw import (
    MAX_LABEL,
    MAX_LABELS,
    MAX_METRIC_NAME,
    MAX_METRICS,
    MAX_TAG_KEY,
    MAX_TAG_VALUE,
    MAX_TAGS,
    RESOURCE_LIMITS,
    SCHEMA_VERSIONS,
    TEXT_LIMITS,
    RawEvent,
    RawResource,
)
from llm_incident_manager.domain.events.severity import severity_of, severity_remedy
from llm_incident_manager.domain.events.tree import (
    MAX_DEPTH,
    deeper_than,
    member,
    number_fault,
    shown,
    text_fault,
    tree_faults,
)
from llm_incident_manager.domain.vocabulary import Category, Severity
from llm_incident_manager.errors import FieldFault

AHEAD = timedelta(hours=24)
"""How far ahead of our clock an event's timestamp may be."""

NO_WORDS: Mapping[str, Severity] = MappingProxyType({})

_REQUIRED = ("event_id", "source", "event_type", "title", "severity")
_OPTIONAL = ("source_version", "description", "correlation_id", "parent_event_id", "dedup_key")
_IGNORED = ("type", "received_at", "validated_at")
_CARRIED = ("fingerprint", "incident_id", "normalized_severity", "enrichment")
"""Members of §5.1's ``IncidentEvent`` that we make ourselves: what a sender puts there is kept in the payload."""

_KNOWN = frozenset(
    (
        *_REQUIRED, *_OPTIONAL, *_IGNORED, *_CARRIED, "timestamp", "category", "resource", "metrics", "tags", "labels",
        "payload", "schema_version",
    )
)  # fmt: skip
_MAX_UNKNOWN = 200
_MAX_UNKNOWN_NAMED = 20
_MISSING = object()


class Examined(msgspec.Struct, frozen=True, kw_only=True):
    """What came of a document: the event if there is no fault, else every fault."""

    event: RawEvent | None
    faults: tuple[FieldFault, ...]


def faults(
    document: object, *, strict: bool, now: datetime, own_words: Mapping[str, Severity] = NO_WORDS
) -> list[FieldFault]:
    """Return everything that is wrong with ``document`` as an event; empty if it would be accepted."""
    return list(examine(document, strict=strict, now=now, own_words=own_words).faults)


def examine(document: object, *, strict: bool, now: datetime, own_words: Mapping[str, Severity] = NO_WORDS) -> Examined:
    """Return the event in ``document``, or every fault.

    Permissive reading takes ``null`` for an absent optional member, turns numbers and booleans in tags and labels into
    text, ignores the letter case of the category, and keeps unknown members in ``payload``. Strict refuses that.
    ``own_words`` (lower case) are the source's words for severity.
    """
    if not isinstance(document, dict):
        wrong = FieldFault("body", f"is {shown(document)}; it must be an object with the members of an event")
        return Examined(event=None, faults=(wrong,))
    examination = _Examination(document, strict)
    values = examination.values(now, own_words)
    if examination.found:
        return Examined(event=None, faults=tuple(examination.found))
    return Examined(event=RawEvent(**values), faults=())


class _Examination:
    """One walk over one document, gathering faults."""

    def __init__(self, document: dict[Any, Any], strict: bool) -> None:
        self.document = document
        self.strict = strict
        self.found: list[FieldFault] = []

    def values(self, now: datetime, own_words: Mapping[str, Severity]) -> dict[str, Any]:
        """Return RawEvent's members; only to be used when nothing was found."""
        version = self._schema_version()
        values: dict[str, Any] = {"schema_version": version}
        for name in _REQUIRED:
            values[name] = self._text(self.document, name, name, TEXT_LIMITS[name], required=True)
        unknown = [name for name in self.document if name not in _KNOWN]
        for name in _OPTIONAL:
            if name == "dedup_key" and version == "1.0":
                if name in self.document:
                    unknown.append(name)
                continue
            text = self._text(self.document, name, name, TEXT_LIMITS[name], required=False)
            if text is not None:
                values[name] = text
        severity = values["severity"]
        if severity is not None and severity_of(severity, own_words) is None:
            self._fault("severity", f"is {shown(severity)}; {severity_remedy(own_words)}")
        values["timestamp"] = self._timestamp(now)
        values["category"] = self._category()
        values["resource"] = self._resource()
        values["metrics"] = self._metrics()
        values["tags"] = self._tags()
        values["labels"] = self._labels()
        values["payload"] = self._payload(unknown)
        return values

    def _fault(self, field: str, message: str) -> None:
        self.found.append(FieldFault(field, message))

    def _given(self, holder: Mapping[Any, Any], name: str, path: str, kind: str) -> Any:
        """Return the optional member, or ``_MISSING``; permissive reading takes null for missing."""
        value = holder.get(name, _MISSING)
        if value is None:
            if self.strict:
                self._fault(path, f"is null; it must be {kind}, or left out")
            return _MISSING
        return value

    def _text(self, holder: Mapping[Any, Any], name: str, path: str, limit: int, *, required: bool) -> str | None:
        kind = f"text of 1 to {limit} characters" if required else f"text of at most {limit} characters"
        if required:
            value = holder.get(name, _MISSING)
            if value is _MISSING:
                self._fault(path, f"is missing; it must be {kind}")
                return None
        else:
            value = self._given(holder, name, path, kind)
            if value is _MISSING:
                return None
        if not isinstance(value, str):
            self._fault(path, f"is {shown(value)}; it must be {kind}")
        elif required and not value.strip():
            self._fault(path, f"is {'empty' if not value else 'blank'}; it must be {kind}")
        elif len(value) > limit:
            self._fault(path, f"has {len(value)} characters ({shown(value)}); it must be {kind}")
        elif (wrong := text_fault(value)) is not None:
            self._fault(path, wrong)
        else:
            return value
        return None

    def _schema_version(self) -> str | None:
        value = self._given(self.document, "schema_version", "schema_version", "text")
        if value is _MISSING:
            return None
        if not self.strict and isinstance(value, int | float) and not isinstance(value, bool):
            value = str(value) if isinstance(value, float) else shown(value)
        text = f"{value}.0" if value == "1" and not self.strict else value
        if text in SCHEMA_VERSIONS:
            return str(text)
        if isinstance(text, str) and not self.strict:
            major, _, minor = text.partition(".")
            if major == "1" and minor.isdecimal() and minor.isascii() and len(minor) < 4:
                return SCHEMA_VERSIONS[-1]  # a newer minor version only adds members: they are kept in the payload
        self._fault("schema_version", f"is {shown(value)}; it must be one of {', '.join(SCHEMA_VERSIONS)}, or left out")
        return None

    def _timestamp(self, now: datetime) -> datetime | None:
        remedy = 'it must be an ISO 8601 time with its zone, as "2027-01-31T10:30:00Z"'
        value = self.document.get("timestamp", _MISSING)
        if value is _MISSING:
            self._fault("timestamp", f"is missing; {remedy}")
            return None
        instant = _instant(value) if isinstance(value, str) else None
        if instant is None:
            self._fault("timestamp", f"is {shown(value)}; {remedy}")
            return None
        if instant.tzinfo is None or instant.utcoffset() is None:
            self._fault(
                "timestamp", f"is {shown(value)}, without a zone; append Z if it is UTC, else an offset as +02:00"
            )
            return None
        wrong = timestamp_fault(instant, now)
        if wrong is not None:
            self._fault("timestamp", f"is {shown(value)}, {wrong}")
            return None
        return instant

    def _category(self) -> Category | None:
        remedy = f"it must be one of {', '.join(Category)}"
        value = self.document.get("category", _MISSING)
        if value is _MISSING:
            self._fault("category", f"is missing; {remedy}")
            return None
        if isinstance(value, str):
            word = value if self.strict else value.strip().lower()
            if word in Category.__members__.values():
                return Category(word)
        self._fault("category", f"is {shown(value)}; {remedy}")
        return None

    def _resource(self) -> RawResource | None:
        if not isinstance(self.document.get("resource", {}), dict):
            self._fault("resource", f"is {shown(self.document['resource'])}; it must be an object with type and id")
            return None
        holder: dict[Any, Any] = self.document.get("resource", {})
        before = len(self.found)
        parts = {
            name: self._text(holder, name, f"resource.{name}", RESOURCE_LIMITS[name], required=name != "name")
            for name in ("type", "id", "name")
        }
        metadata = self._free("metadata", "resource.metadata", holder)
        self._gather(
            (name for name in holder if name not in ("type", "id", "name", "metadata")), holder, "resource", metadata
        )
        if len(self.found) > before:
            return None
        return RawResource(type=parts["type"] or "", id=parts["id"] or "", name=parts["name"] or "", metadata=metadata)

    def _pairs(self, name: str, limit: int, key_limit: int) -> Iterable[tuple[str, Any, str]]:
        """Yield (key, value, path) of an optional object whose keys are in order."""
        value = self._given(self.document, name, name, "an object")
        if value is _MISSING:
            return
        if not isinstance(value, dict):
            self._fault(name, f"is {shown(value)}; it must be an object")
            return
        if len(value) > limit:
            self._fault(name, f"has {len(value)} members; it may have at most {limit}")
            return
        for key, each in value.items():
            path = member(name, key)
            if not isinstance(key, str) or not 0 < len(key) <= key_limit:
                self._fault(path, f"has a name of {len(str(key))} characters; it must have 1 to {key_limit}")
            elif (wrong := text_fault(key)) is not None:
                self._fault(path, f"has a name that {wrong}")
            else:
                yield key, each, path

    def _metrics(self) -> dict[str, float]:
        metrics: dict[str, float] = {}
        for key, value, path in self._pairs("metrics", MAX_METRICS, MAX_METRIC_NAME):
            if value is None and not self.strict:
                continue
            if isinstance(value, bool) or not isinstance(value, int | float):
                self._fault(path, f"is {shown(value)}; it must be a number")
            elif (wrong := number_fault(value)) is not None:
                self._fault(path, wrong)
            else:
                metrics[key] = float(value)
        return metrics

    def _tags(self) -> dict[str, str]:
        tags: dict[str, str] = {}
        for key, value, path in self._pairs("tags", MAX_TAGS, MAX_TAG_KEY):
            if value is None and not self.strict:
                continue
            text = self._scalar_text(value, path, MAX_TAG_VALUE)
            if text is not None:
                tags[key] = text
        return tags

    def _labels(self) -> tuple[str, ...]:
        value = self._given(self.document, "labels", "labels", "a list of texts")
        if value is _MISSING:
            return ()
        if not isinstance(value, list | tuple):
            self._fault("labels", f"is {shown(value)}; it must be a list of texts")
            return ()
        if len(value) > MAX_LABELS:
            self._fault("labels", f"has {len(value)} items; it may have at most {MAX_LABELS}")
            return ()
        texts = (self._scalar_text(each, f"labels[{index}]", MAX_LABEL) for index, each in enumerate(value))
        return tuple(text for text in texts if text is not None)

    def _scalar_text(self, value: object, path: str, limit: int) -> str | None:
        if not self.strict and isinstance(value, bool | int | float):
            value = shown(value)
        if not isinstance(value, str):
            self._fault(path, f"is {shown(value)}; it must be text of at most {limit} characters")
        elif len(value) > limit:
            self._fault(path, f"has {len(value)} characters; it may have at most {limit}")
        elif (wrong := text_fault(value)) is not None:
            self._fault(path, wrong)
        else:
            return value
        return None

    def _free(self, name: str, path: str, holder: Mapping[Any, Any]) -> dict[str, Any]:
        value = self._given(holder, name, path, "an object")
        if value is _MISSING:
            return {}
        if not isinstance(value, dict):
            self._fault(path, f"is {shown(value)}; it must be an object")
            return {}
        wrong = tree_faults(path, value)
        self.found += wrong
        return {} if wrong else dict(value)

    def _payload(self, unknown: list[Any]) -> dict[str, Any]:
        payload = self._free("payload", "payload", self.document)
        for name in _CARRIED:
            if name in self.document:
                self._keep(name, self.document[name], name, payload)
        self._gather(unknown, self.document, "", payload)
        return payload

    def _gather(self, names: Iterable[Any], holder: Mapping[Any, Any], path: str, into: dict[str, Any]) -> None:
        """Keep members that nobody knows, or refuse them when strict."""
        names = list(names)
        if not self.strict and len(names) > _MAX_UNKNOWN:
            self._fault(path or "body", f"has {len(names)} members that are not known; at most {_MAX_UNKNOWN} are kept")
            return
        refused = 0
        for name in names:
            if not self.strict:
                self._keep(name, holder[name], member(path, name), into)
                continue
            refused += 1
            if refused <= _MAX_UNKNOWN_NAMED:
                remedy = "leave it out" if path else "leave it out, or move it into payload"
                self._fault(member(path, name), f"is not a member of {path or 'an event'}; {remedy}")
        if refused > _MAX_UNKNOWN_NAMED:
            self._fault(path or "body", f"has {refused - _MAX_UNKNOWN_NAMED} more members that are not known")

    def _keep(self, name: Any, value: object, path: str, into: dict[str, Any]) -> None:
        if not isinstance(name, str) or (bad := text_fault(name)) is not None:
            self._fault(path, "has a name that is not text" if not isinstance(name, str) else f"has a name that {bad}")
            return
        if deeper_than(value, MAX_DEPTH - 1):
            self._fault(path, f"is nested deeper than {MAX_DEPTH} levels; flatten it, or send it as text")
            return
        wrong = tree_faults(path, value)
        if wrong:
            self.found += wrong
            return
        while name in into:
            name = "_" + name  # the payload's own member of that name stays; nothing sent is lost
        into[name] = value


def timestamp_fault(instant: datetime, now: datetime) -> str | None:
    """Return what is wrong with an aware instant: too far ahead, or no instant in UTC at all."""
    try:
        ahead = instant.astimezone(UTC) - now
    except OverflowError:
        return "which is outside the years 1 to 9999 in UTC; check the sender's clock"
    if ahead > AHEAD:
        return "more than 24 hours ahead of our clock; check the sender's clock"
    return None


def _instant(text: str) -> datetime | None:
    try:
        return msgspec.convert(text, datetime)
    except (msgspec.ValidationError, UnicodeEncodeError):
        pass
    try:
        return datetime.fromisoformat(text.upper())
    except ValueError:
        return None

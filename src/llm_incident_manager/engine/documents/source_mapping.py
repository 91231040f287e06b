"""The ``mapping`` of a source: severity words, and which member of its JSON is which member of an event."""

from llm_incident_manager.domain.events.field_mapping import (
    FIELDS,
    FieldCondition,
    FieldMapping,
    FieldPath,
    FieldRule,
    literal,
    read_path,
    read_rule,
)
from llm_incident_manager.domain.vocabulary import Category
from llm_incident_manager.engine.documents.findings import quoted
from llm_incident_manager.engine.documents.part import Part


def parse_mapping(part: Part) -> FieldMapping | None:
    """Return the mapping, ``None`` where only severity words (§6.1) are given; faults name every rule that is wrong.

    A rule is a path (``alert.name``), a text with paths in braces (``"{alert.name} on {host}"``), or
    ``{path, default}``, or ``{value}`` for what always is the same.
    """
    items = _path(part, "items")
    fields = part.part("fields")
    found: dict[str, FieldRule] = {}
    if fields is not None:
        for name in FIELDS:
            rule = _rule(fields, name)
            if rule is not None:
                found[name] = rule
        fields.done()
    _require_category(part, found.get("category"))
    tags, metrics = _rules(part, "tags"), _rules(part, "metrics")
    labels = tuple(rule for path, word in part.words("labels") if (rule := _read(part, path, word, None)) is not None)
    resolve, ignore = _condition(part, "resolve"), _condition(part, "ignore")
    if not (items or found or tags or metrics or labels or resolve or ignore):
        return None
    if "title" not in found:
        part.fault("fields.title", 'is required; say where the title stands, as in title: "{alert.name} on {host}"')
    return FieldMapping(
        items=items, fields=found, tags=tags, metrics=metrics, labels=labels, resolve=resolve, ignore=ignore
    )


def _rules(owner: Part, name: str) -> dict[str, FieldRule]:
    part = owner.part(name)
    if part is None:
        return {}
    return {each: rule for each, _ in part.members() if (rule := _rule(part, each)) is not None}


def _rule(owner: Part, name: str) -> FieldRule | None:
    _, value = owner.take(name)
    if value is None:
        return None
    if not isinstance(value, dict):
        text = owner.text(name, limit=2000)
        return _read(owner, owner.at(name), text, None) if text else None
    part = Part(value, owner.at(name), owner.findings)
    path, said, default = (part.text(each, limit=2000) for each in ("path", "value", "default"))
    part.done()
    if said and not path:
        return literal(said)
    if not path:
        part.fault("path", "is required; name the member, or give a value that always is the same")
        return None
    return _read(owner, part.at("path"), path, default or None)


def _read(part: Part, path: str, text: str, default: str | None) -> FieldRule | None:
    try:
        return read_rule(text, default)
    except ValueError as wrong:
        part.findings.fault(path, f"{quoted(text)} is no path; {wrong}")
        return None


def _path(part: Part, name: str) -> FieldPath | None:
    text = part.text(name)
    if not text:
        return None
    try:
        return read_path(text)
    except ValueError as wrong:
        part.fault(name, f"{quoted(text)} is no path; {wrong}")
        return None


def _condition(owner: Part, name: str) -> FieldCondition | None:
    part = owner.part(name)
    if part is None:
        return None
    text = part.text("path", required=True, limit=2000)
    words = frozenset(word.lower() for _, word in part.words("is"))
    if not words:
        part.fault("is", "is required; give the words, as in is: [ok, resolved]")
    part.done()
    rule = _read(owner, part.at("path"), text, None) if text else None
    return FieldCondition(rule=rule, words=words) if rule is not None else None


def _require_category(part: Part, rule: FieldRule | None) -> None:
    words = list(Category)
    if rule is not None and len(rule.pieces) == 1 and isinstance(rule.pieces[0], str) and rule.pieces[0] not in words:
        part.fault("fields.category", f"{quoted(rule.pieces[0])} is not one of {', '.join(words)}")

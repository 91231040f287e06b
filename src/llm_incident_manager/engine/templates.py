"""⑥ Told: which template a page uses, and what is wrong with one when it is saved (NTF-02, specification §5.5)."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from llm_incident_manager.domain.routing.conditions import Subject, mismatch
from llm_incident_manager.domain.vocabulary import NotificationType
from llm_incident_manager.engine.documents.findings import did_you_mean, listed, quoted
from llm_incident_manager.engine.documents.templates import Template
from llm_incident_manager.engine.template_sandbox import fault_of, names_in
from llm_incident_manager.errors import FieldFault

TEXTS = ("subject", "body_html", "body_text", "message")
ATTACHMENT_TYPES = ("image", "file", "link")
MAX_LEAVES, MAX_DEPTH = 500, 12
"""How many texts the blocks or the payload of one channel may hold, and how deep."""

VARIABLES = frozenset(
    {
        *("incident_id", "id", "external_id", "fingerprint", "severity", "status", "category", "title", "description"),
        *("impact", "source", "source_event_id", "assigned_to", "assigned_team", "escalation_level", "created_at"),
        *(
            "updated_at",
            "acknowledged_at",
            "resolved_at",
            "closed_at",
            "sla",
            "related_incidents",
            "reported_by",
            "parent_incident",
        ),
        *("duplicate_of", "recurrence_of", "links", "metrics", "resource", "environment", "tags", "labels"),
        *("resolution", "metadata", "event_type", "event_count", "event_metrics", "last_event_at", "snoozed_until"),
        *("silenced_until", "silenced_by", "reported_by"),
        *("imported", "allowed_actions", "ladder", "version"),
        *("incident", "dashboard_url", "incident_url", "notification_id", "notification_type", "level", "target"),
        *("recipient", "reason", "note", "late_seconds", "since", "lasted", "assigned_to_name"),
    }
)
"""What a template may read: the incident's own members, the whole ``incident``, and what is known of the page.

``dashboard_url`` is where the dashboard begins (specification §5.5), ``incident_url`` the incident's own page.
"""


def check(document: Mapping[str, Any]) -> list[FieldFault]:
    """Return what is wrong with the texts of a template document, beside what reading it finds already.

    Reading (``documents/templates.py``) judges name, type, channels, conditions and priority; this judges the declared
    variables, every text as a template, blocks, payload and attachments.
    """
    faults: list[FieldFault] = []
    declared = document.get("variables")
    for index, name in enumerate(declared if isinstance(declared, list | tuple) else []):
        if isinstance(name, str) and name.split(".")[0].split("[")[0].strip() not in VARIABLES:
            faults.append(FieldFault(f"variables[{index}]", _unknown(name.split(".")[0])))
    channels = document.get("channels")
    for name, given in channels.items() if isinstance(channels, Mapping) else []:
        if isinstance(given, Mapping):
            faults += _channel_faults(given, f"channels.{name}")
    return faults


def choose_template(
    templates: Iterable[Template],
    kind: NotificationType,
    channel: str,
    subject: Subject,
    *,
    named: str | None = None,
) -> Template | None:
    """Return the template for a page on ``channel``, or ``None`` for the default texts.

    The one that the level names (by id or name) comes first, whatever its type and conditions; else the enabled one of
    this type whose conditions match, highest priority first, then by name.
    """
    able = [each for each in templates if each.enabled and channel in each.channels]
    if named is not None:
        for template in able:
            if named in (template.id, template.name):
                return template
    if kind is NotificationType.CUSTOM:
        return None
    fitting = [each for each in able if each.type is kind and mismatch(each.conditions, subject) is None]
    return min(fitting, key=lambda each: (-each.priority, each.name, each.id), default=None)


def leaves(value: object, path: str, depth: int = 0) -> Iterator[tuple[str, str]]:
    """Yield every text inside blocks or a payload with its path; raises RecursionError below :data:`MAX_DEPTH`."""
    if depth > MAX_DEPTH:
        raise RecursionError(path)
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, Mapping):
        for name, member in value.items():
            yield from leaves(member, f"{path}.{name}", depth + 1)
    elif isinstance(value, list | tuple):
        for index, member in enumerate(value):
            yield from leaves(member, f"{path}[{index}]", depth + 1)


def _channel_faults(given: Mapping[str, Any], path: str) -> list[FieldFault]:
    texts = [(f"{path}.{name}", given[name]) for name in TEXTS if isinstance(given.get(name), str)]
    faults: list[FieldFault] = []
    for name in ("blocks", "payload"):
        try:
            inside = list(leaves(given.get(name), f"{path}.{name}"))
        except RecursionError:
            faults.append(FieldFault(f"{path}.{name}", f"is nested deeper than {MAX_DEPTH}"))
            continue
        if len(inside) > MAX_LEAVES:
            faults.append(FieldFault(f"{path}.{name}", f"holds {len(inside)} texts; at most {MAX_LEAVES} are allowed"))
        texts += inside[:MAX_LEAVES]
    attachments = given.get("attachments")
    for index, each in enumerate(attachments if isinstance(attachments, list | tuple) else []):
        where = f"{path}.attachments[{index}]"
        faults += _attachment_faults(each, where)
        if isinstance(each, Mapping):
            texts += [(f"{where}.{name}", each[name]) for name in ("url", "name") if isinstance(each.get(name), str)]
    if not texts:
        faults.append(FieldFault(path, f"says nothing; give one of {', '.join((*TEXTS, 'blocks', 'payload'))}"))
    for where, text in texts:
        faults += _text_faults(text, where)
    return faults


def _text_faults(text: str, path: str) -> list[FieldFault]:
    fault = fault_of(text)
    if fault is not None:
        return [FieldFault(path, fault)]
    return [FieldFault(path, _unknown(name)) for name in sorted(names_in(text) - VARIABLES)]


def _attachment_faults(given: object, path: str) -> list[FieldFault]:
    if not isinstance(given, Mapping):
        return [FieldFault(path, f"{quoted(given)} is not a mapping of type, url and name")]
    faults: list[FieldFault] = []
    if given.get("type") not in ATTACHMENT_TYPES:
        faults.append(
            FieldFault(f"{path}.type", f"{quoted(given.get('type'))} is not one of {', '.join(ATTACHMENT_TYPES)}")
        )
    url = given.get("url")
    if not isinstance(url, str) or not url.strip().startswith(("http://", "https://", "{{")):
        faults.append(
            FieldFault(f"{path}.url", f"{quoted(url)} is not an address that begins with https:// or http://")
        )
    if not isinstance(given.get("name"), str):
        faults.append(FieldFault(f"{path}.name", "is required: what the link is called"))
    return faults


def _unknown(name: str) -> str:
    hint = did_you_mean(name, VARIABLES) or f"variables: {listed(VARIABLES, at_most=60)}"
    return f'there is no variable "{name}"; {hint}'

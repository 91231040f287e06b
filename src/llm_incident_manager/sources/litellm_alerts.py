"""LiteLLM's alerts: all but budgets leave it as nothing but text, for Slack or Teams; this reads the text.

Shape: "Alert type: `…`", "Level: `…`", "Timestamp: `…`", "Message: …", then lines of "key: `value`", and "Proxy URL:
`…`"; equal alerts of one flush come once, under "[Num Alerts: N]". Prompts stand after "Messages:", and are cut out.
"""

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from llm_incident_manager.domain.events.event import SourceSettings
from llm_incident_manager.domain.vocabulary import Category
from llm_incident_manager.sources import decisions, reading, vendors
from llm_incident_manager.sources.spec import SourceRequest

_HEAD = re.compile(r"\s{0,20}(?:\[Num Alerts: (\d{1,9})\]\s{0,20})?Alert type: `([A-Za-z0-9_. -]{1,100})`")
_FIELD = re.compile(r"^[ \t*>]{0,20}([A-Za-z][A-Za-z0-9 _/-]{0,60}):[* ]{0,10}`([^`\n]{0,1000})`", re.MULTILINE)
_PROMPTS = re.compile(r"^[ \t*]{0,20}(?:Messages|Prompt|Input|Request Data)[ *]{0,10}:", re.MULTILINE | re.IGNORECASE)
_PROXY_AT_THE_END = re.compile(r"\n\nProxy URL: `[^`\s]{1,500}`\s{0,20}\Z")
_ORNAMENT = re.compile(r"^[^\w$(\[]+")
_SECRET = re.compile(r"\bsk-[A-Za-z0-9_-]{6,200}")
_CATEGORIES = {
    **dict.fromkeys(("outage_alerts", "region_outage_alerts", "llm_exceptions", "db_exceptions"), "availability"),
    **dict.fromkeys(("cooldown_deployment",), "availability"),
    **dict.fromkeys(("llm_too_slow", "llm_requests_hanging"), "performance"),
    **dict.fromkeys(("budget_alerts", "failed_tracking_spend"), "cost"),
    **dict.fromkeys(("user_spend_thresholds", "user_spend_anomalies"), "cost"),
    **dict.fromkeys(("mcp_tool_description_blocked", "mcp_pinned_tools_changed"), "security"),
}
_TOLD = re.compile(r"(daily|spend|fallback)_reports|new_.*|.*_(created|updated|deleted)")
"""Reports, and what people did on purpose: kept, but no trouble."""
_MODEL = ("request_model", "model", "model_name")
_PLACE = (*_MODEL, "deployment", "region", "region_name", "provider", "api_base")
_OWNER = (
    *("key_alias", "key_name", "token", "team_alias", "team", "team_id", "user_id", "customer_id", "organization_id"),
)
"""An alert is about a place where models run, or, if it names none, about whose key, team or budget it is."""
_SEVERITIES = {"high": "high", "medium": "medium", "low": "low"}
REMOVED = "[removed: prompts are not kept]"


class LiteLlmAlert(msgspec.Struct, frozen=True, kw_only=True):
    """One alert: its type, how many of it, its ``key: `value` `` lines (names as ``api_base``), and what it says."""

    kind: str
    count: int
    fields: dict[str, str]
    message: str

    @property
    def heading(self) -> str:
        """The first line that says something."""
        lines = (" ".join(_ORNAMENT.sub("", line).rstrip(" *`").split()) for line in self.message.splitlines())
        return next(filter(None, lines), "")


def read_alert(text: str) -> LiteLlmAlert | None:
    """Return the alert that ``text`` is, without its prompts; ``None`` if it is not LiteLLM's."""
    head = _HEAD.match(text)
    if head is None:
        return None
    safe = _SECRET.sub("sk-…", _without_prompts(text[head.end() :]))
    before, marked, after = safe.partition("\nMessage: ")
    fields: dict[str, str] = {}
    for name, value in _FIELD.findall(safe):
        fields.setdefault("_".join(name.lower().split()), value)
    message = after if marked else before
    return LiteLlmAlert(kind=head[2], count=int(head[1] or 1), fields=fields, message=message.strip())


def alert_event(request: SourceRequest, settings: SourceSettings | None, alert: LiteLlmAlert) -> dict[str, Any]:
    """Return the event of an alert. Whatever is about one model, key or team is one incident, its type apart."""
    fields = alert.fields
    place, owner = ([(name, fields[name]) for name in names if _says(fields.get(name))] for names in (_PLACE, _OWNER))
    about = [value for _, value in place or owner]
    subject = about[0] if about else ""
    if alert.kind == "budget_alerts" and "event_group" in fields:
        _, owner_id, name = budget_owner(fields)
        about, subject = [owner_id], name or owner_id
    heading = alert.heading or decisions.worded(alert.kind)
    told = _TOLD.fullmatch(alert.kind) is not None
    model = next((value for name, value in place if name in _MODEL), "")
    return {
        "event_id": vendors.moment_id(request, "litellm", alert.kind, alert.message, alert.count),
        "source": request.source,
        "timestamp": request.received_at.isoformat(),
        "event_type": "change" if told else "alert",
        "category": _CATEGORIES.get(alert.kind) or reading.category_of(alert.kind, heading, default=Category.OTHER),
        "title": reading.title(f"{heading} ({subject})" if subject else heading, default="LiteLLM alert"),
        "description": reading.description(alert.message),
        "severity": vendors.severity(
            settings, fields.get("level"), known=_SEVERITIES, default="info" if told else "medium"
        ),
        "resource": reading.resource("model" if model else "service", model, subject, default="litellm"),
        "metrics": reading.metrics(alerts=alert.count, in_digest=fields.get("count")),
        "tags": reading.tags(dict(place), dict(owner), alert_type=alert.kind),
        "dedup_key": reading.key("litellm", alert.kind, *(about or [without_numbers(heading)])),
        "payload": reading.payload({"alert_type": alert.kind, "count": alert.count, "fields": fields}),
    }  # fmt: skip


def without_numbers(text: str) -> str:
    """Return a heading without what differs from one time to the next."""
    return re.sub(r"\d+(\.\d+)?", "#", " ".join(text.lower().split()))[:500]


def _says(value: str | None) -> bool:
    return value is not None and value.strip().lower() not in ("", "none", "null")


def _without_prompts(text: str) -> str:
    """Return the text without whatever follows "Messages:".

    A prompt may look like anything, so nothing after it is believed but what ends the text.
    """
    found = _PROMPTS.search(text)
    if found is None:
        return text
    proxy = _PROXY_AT_THE_END.search(text, max(found.end(), len(text) - 600))
    return text[: found.end()] + f" {REMOVED}" + (proxy[0] if proxy else "")


def budget_owner(document: Mapping[str, Any]) -> tuple[str, str, str]:
    """Return whose budget it is: the kind of owner, its id, and its name; of a team's budget never one of its keys."""
    group = reading.text(document.get("event_group"), 64).lower()
    if group == "proxy":
        return group, group, ""
    said = _GROUPS.get(group, group)
    for kind in (said, *_OWNERS) if said in _OWNERS else _OWNERS:
        names, alias = _OWNERS[kind]
        found = next(filter(None, (reading.text(document.get(name), 255) for name in names)), "")
        if found:
            return kind, found, reading.text(document.get(alias), 200)
    return "proxy", "proxy", ""


_OWNERS = {
    "key": (("token", "key_alias"), "key_alias"),
    "team": (("team_id", "team_alias"), "team_alias"),
    "customer": (("customer_id",), "customer_id"),
    "organization": (("organization_id",), "organization_id"),
    "team_member": (("user_id",), "user_id"),
    "user": (("user_id",), "user_id"),
}
_GROUPS = {"end_user": "customer", "internal_user": "user", "organization_member": "team_member"}

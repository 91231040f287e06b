"""PagerDuty Events API v1: ``POST /generic/2010-04-15/create_event.json``, as older tools speak it (ING-12).

Its events go to the same incidents as those of v2: an incident key is a dedup key.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from llm_incident_manager.domain.events.event import SourceSettings
from llm_incident_manager.domain.events.severity import severity_of
from llm_incident_manager.errors import FieldFault, IncidentManagerError, Invalid
from llm_incident_manager.sources import pagerduty, reading
from llm_incident_manager.sources.answers import json_answer
from llm_incident_manager.sources.spec import Answer, Door, Example, Outcome, Sent, SourceRequest, SourceSpec

CREATE = "/generic/2010-04-15/create_event.json"
_TYPES = ("trigger", "acknowledge", "resolve")


def read(request: SourceRequest, settings: SourceSettings | None) -> Sent:
    """Return the event or act.

    Raises:
        Invalid: a required member is missing.
    """
    request = _renamed(request)
    document = reading.json_object(request.body)
    action = reading.text(document.get("event_type"))
    if action not in _TYPES:
        raise _invalid("event_type", f"must be one of {', '.join(_TYPES)}")
    given = reading.text(document.get("incident_key"))
    if not given and action != "trigger":
        raise _invalid("incident_key", "is a required field")
    if action == "trigger" and not reading.text(document.get("description")):
        raise _invalid("description", "is a required field")
    key = given or pagerduty.made_key(request)
    said = reading.text(document.get("description"))
    if action == "trigger":
        step: Any = pagerduty.trigger(request, settings, _as_v2(document, settings), key)
        step["payload"] = reading.payload(document, "service_key")
    else:
        step = pagerduty.end(request, action, key, said=said)
    return Sent(steps=(step,), reply={"incident_key": key})


def answer(request: SourceRequest, sent: Sent, outcomes: Sequence[Outcome]) -> Answer:
    """Return v1's 200."""
    key = sent.reply["incident_key"]
    return json_answer({"status": "success", "message": "Event processed", "incident_key": key}, 200)


def refuse(error: IncidentManagerError, status: int) -> Answer:
    """Return v2's errors, whose shape is the same."""
    return pagerduty.refuse(error, status)


def _renamed(request: SourceRequest) -> SourceRequest:
    """Return the request under the name that v2's events go by, so that either may end what the other opened."""
    return dataclasses.replace(request, source=pagerduty.SPEC.name) if request.source == SPEC.name else request


def _as_v2(document: Mapping[str, Any], settings: SourceSettings | None) -> dict[str, Any]:
    """Return v2's document. v1 has no severity: details may name one, else it is an error, since somebody was paged."""
    details = document.get("details")
    word = reading.text(reading.mapping(details).get("severity"), 64)
    known = severity_of(word, settings.severity_words if settings is not None else {}) is not None
    payload = {
        "summary": document.get("description"),
        "source": reading.text(reading.mapping(details).get("source")) or document.get("client") or "unknown",
        "severity": word if known else "error",
        "custom_details": details,
    }
    return {name: document.get(name) for name in ("client", "client_url", "contexts")} | {"payload": payload}


def _invalid(field: str, message: str) -> Invalid:
    return Invalid(f"{field} {message}", [FieldFault(field, message)], code="invalid_pagerduty")


SPEC = SourceSpec(
    name="pagerduty-v1",
    title="PagerDuty Events API v1",
    description="The older API, whose events share their incidents with v2's. An ingest key is the service key.",
    setup="""# Any tool: replace https://events.pagerduty.com by {url}, and the service key by an ingest key.
curl {url}/generic/2010-04-15/create_event.json -d '{"service_key": "'{key}'", "event_type": "trigger",
  "incident_key": "srv01/http", "description": "FAILURE of production on srv01"}'""",
    read=read,
    answer=answer,
    refuse=refuse,
    doors=(Door(path=CREATE),),
    key_members=("service_key",),
    overloaded=403,
    body_bytes=512 * 1024,
    examples=(
        Example(
            path=CREATE,
            status=200,
            body='{"service_key": "{key}", "event_type": "trigger", "incident_key": "srv01/http", "description": '
            '"FAILURE of production/HTTP on srv01", "client": "Sample Monitor", "client_url": '
            '"https://monitor.example.com", "details": {"ping time": "1500ms"}}',
            repeats_count=True,
        ),
        Example(
            title="a resolve",
            path=CREATE,
            status=200,
            body='{"service_key": "{key}", "event_type": "resolve", "incident_key": "srv01/http"}',
            opens=0,
        ),
    ),
)

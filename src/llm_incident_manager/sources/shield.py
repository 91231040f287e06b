"""LLM-Shield: the documented event of specification §6.2, and what really leaves it (ING-11).

That is decisions of its agents (``POST …/api/v1/events/decision``), their HTTP responses, and scan responses of its
Rust API. The worst finding decides the severity, because the word for the whole is too mild: a jailbreak is "medium".
Matched text is never kept: it may be the very secret that was found.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from llm_incident_manager.domain.events.event import SourceSettings
from llm_incident_manager.domain.events.severity import WORDS
from llm_incident_manager.errors import FieldFault, Invalid
from llm_incident_manager.sources import decisions, reading
from llm_incident_manager.sources.spec import Door, Example, Sent, SourceRequest, SourceSpec

_RAW = frozenset(
    {
        *("text", "matched_text", "match", "value", "original", "original_text", "content", "prompt", "input"),
        *("snippet", "sanitizedtext", "sanitized_text", "redactedtext", "redacted_text", "output", "user_input"),
    }
)
_GRAVE = {"jailbreak", "system_prompt_attack", "instruction_override", "credential", "secret", "api_key", "private_key"}
"""What is at least "high", whatever the score: somebody tries to take the model over, or a secret is out."""
_SCORES = ((0.9, "critical"), (0.7, "high"), (0.4, "medium"), (0.0, "low"))
_REDACTED = "[redacted]"


def read(request: SourceRequest, settings: SourceSettings | None) -> Sent:
    """Return one event per finding; what found nothing brings nothing.

    Raises:
        Invalid: it is neither of Shield's shapes.
    """
    found, batch_id, is_batch = decisions.documents(request)
    steps = tuple(event for each in found for event in _events(request, each))
    return Sent(steps=steps, batch_id=batch_id, is_batch=is_batch)


def _events(request: SourceRequest, document: dict[str, Any]) -> Iterator[dict[str, Any]]:
    result = document.get("result")
    if decisions.is_own_shape(document):
        yield decisions.own_shape(request, document, SPEC.name)
    elif "outputs" in document:
        yield from _finding(request, document, reading.mapping(document.get("outputs")), document)
    elif isinstance(result, dict) and isinstance(result.get("result"), dict):
        yield from _finding(request, result.get("agent"), result["result"], document)
    elif isinstance(result, dict) and ("isValid" in result or "results" in result):
        for number, scan in enumerate(reading.objects(result.get("results") or result)):
            yield from _scanned(request, document, scan, number)
    else:
        raise Invalid(
            "it is nothing that LLM-Shield sends",
            [FieldFault("outputs", "is missing; send a decision, an agent's response, a scan's response, or an event")],
            code="invalid_shield",
        )


def _finding(
    request: SourceRequest, of: object, outputs: Mapping[str, Any], whole: Mapping[str, Any]
) -> Iterator[dict[str, Any]]:
    """Yield the event of an agent's finding, if it found anything."""
    agent, telemetry = reading.mapping(of), reading.mapping(whole.get("telemetry"))
    execution = reading.mapping(whole.get("execution_metadata"))
    said = reading.text(outputs.get("severity")).lower()
    if not _detected(outputs, said):
        return
    kind = reading.text(agent.get("decision_type"), 128, default="threat_detection")
    names = [*_texts(outputs.get("detected_categories")), *_texts(outputs.get("detected_types"))]
    parts = [*reading.objects(outputs.get("entities")), *reading.objects(outputs.get("risk_factors"))]
    names = list(dict.fromkeys((*names, *(name for part in parts for name in _texts([part.get("category")])))))
    agent_id = reading.text(agent.get("agent_id"), default="llm-shield")
    reference = reading.text(whole.get("execution_ref")) or reading.text(execution.get("trace_id"))
    at = decisions.timestamp(request, whole.get("timestamp"), execution.get("timestamp"))
    yield _event(
        request,
        kind=kind,
        names=names,
        words=[(said, "its word for the whole"), *_words(parts)],
        at=at,
        event_id=reading.key(reference, kind) if reference else reading.key(whole.get("inputs_hash"), kind, at),
        reference=reference,
        service=reading.text(execution.get("application") or telemetry.get("application"), default=agent_id),
        metrics=reading.metrics(dict(outputs), {"duration_ms": whole.get("duration_ms")}),
        tags=reading.tags(
            {name: telemetry.get(name) for name in ("environment", "session_id", "caller_id", "content_source")},
            agent=agent_id, agent_version=agent.get("agent_version"),
        ),
        payload=whole,
    )  # fmt: skip


def _scanned(
    request: SourceRequest, document: Mapping[str, Any], scan: Mapping[str, Any], number: int
) -> Iterator[dict[str, Any]]:
    """Yield the event of a scan that was not passed."""
    if scan.get("isValid") is not False:
        return
    execution = reading.mapping(document.get("execution"))
    failed = [each for each in reading.objects(scan.get("scannerResults")) if each.get("isValid") is False]
    factors = [factor for each in failed for factor in reading.objects(each.get("riskFactors"))]
    scanners = [text for each in failed if (text := reading.text(each.get("scanner"), 128))]
    entities = [entity for each in failed for entity in reading.objects(each.get("entities"))]
    # An entity's text names the pattern, in brackets, where it is not the text that matched.
    names = [text.strip("[]") for entity in entities if (text := reading.text(entity.get("text"))).startswith("[")]
    types = [reading.text(entity.get("entityType"), 128) for entity in entities]
    score = reading.as_number(scan.get("riskScore"))
    by_score = next((word for least, word in _SCORES if score is not None and score >= least), "medium")
    span = reading.mapping(execution.get("repoSpan"))
    reference = reading.text(execution.get("executionId"))
    kind = f"{scanners[0]}_detection" if scanners else "scan_violation"
    at = decisions.timestamp(request, span.get("endTime"), span.get("startTime"))
    yield _event(
        request,
        kind=kind,
        names=list(dict.fromkeys(filter(None, (*names, *types)))),
        words=[
            (by_score, f"its score of {score}"),
            *((reading.text(each.get("severity")), _named(each)) for each in factors),
        ],
        at=at,
        event_id=reading.key(reference, number) if reference else reading.key("scan", kind, at, number),
        reference=reference,
        service=reading.text(span.get("name"), default="llm-shield"),
        metrics=reading.metrics(risk_score=score, scan_time_ms=scan.get("scanTimeMs"), entities=len(entities)),
        tags=reading.tags(scanner=", ".join(scanners)),
        payload=document,
    )


def _event(
    request: SourceRequest,
    *,
    kind: str,
    names: list[str],
    words: list[tuple[str, str]],
    at: str,
    event_id: str,
    reference: str,
    service: str,
    metrics: dict[str, float],
    tags: dict[str, str],
    payload: Mapping[str, Any],
) -> dict[str, Any]:
    severity, reason = _severity(words, names)
    what = decisions.worded(kind.removesuffix("_detection").removesuffix("_violation"))
    found = decisions.listed(names)
    return {
        "event_id": event_id,
        "source": request.source,
        "timestamp": at,
        "event_type": "violation",
        "category": "security",
        "title": reading.title(f"{what} detected" + (f": {found}" if found else ""), default="Threat detected"),
        "description": reading.description(
            f"LLM-Shield found: {found or what.lower()}.", reason[:1].upper() + reason[1:] + "."
        ),
        "severity": severity,
        "resource": reading.resource("service", service),
        "metrics": metrics,
        "tags": reading.tags({"decision_type": kind}, tags),
        "labels": reading.labels(names),
        "correlation_id": reading.text(reference, 255) or None,
        "dedup_key": reading.key(kind, service, tags.get("environment")),
        "payload": reading.payload(_without_matches(payload)) | {"severity_reason": reason},
    }


def _severity(words: list[tuple[str, str]], names: list[str]) -> tuple[str, str]:
    """Return the worst word that anything in the finding has, and why."""
    known = [(word.lower(), of) for word, of in words if word.lower() in WORDS and word.lower() != "none"]
    word, of = min(known, key=lambda each: WORDS[each[0]].rank, default=("medium", "nothing in particular"))
    grave = [name for name in names if any(each in name.lower() for each in _GRAVE)]
    if grave and WORDS["high"].worse_than(WORDS[word]):
        return "high", f"{decisions.listed(grave)} is at least high, although Shield says {word} ({of})"
    whole = words[0][0].lower()
    if whole in WORDS and whole != word:
        return word, f"the worst finding decides: {of} is {word}, although the whole is {whole}"
    return word, f"Shield says {word} ({of})"


def _detected(outputs: Mapping[str, Any], severity: str) -> bool:
    """Whether anything was found: each agent has a ``*_detected`` of its own; without one its severity says so."""
    flags = [value for name, value in outputs.items() if name.endswith("_detected") and isinstance(value, bool)]
    if flags:
        return any(flags)
    return severity not in ("", "none") or bool(reading.objects(outputs.get("entities")))


def _words(parts: list[dict[str, Any]]) -> list[tuple[str, str]]:
    return [(reading.text(part.get("severity")), _named(part)) for part in parts]


def _named(part: Mapping[str, Any]) -> str:
    words = (part.get("category"), part.get("pattern_id"), part.get("description"), part.get("entity_type"))
    return next(filter(None, (reading.text(word, 100) for word in words)), "a finding")


def _texts(value: object) -> list[str]:
    return [text for each in value if (text := reading.text(each, 128))] if isinstance(value, list) else []


def _without_matches(value: Any, levels: int = 40) -> Any:
    """Return the document without the text that was looked at: it may be what must not be kept."""
    if levels == 0:
        return _REDACTED
    if isinstance(value, dict):
        return {
            name: _REDACTED
            if isinstance(each, str) and str(name).lower() in _RAW
            else _without_matches(each, levels - 1)
            for name, each in value.items()
        }
    return [_without_matches(each, levels - 1) for each in value] if isinstance(value, list) else value


SPEC = SourceSpec(
    name="shield",
    title="LLM-Shield",
    description=(
        "Violations: the event of the specification, decisions of its agents, their responses, scan responses. What "
        "found nothing opens nothing; matched text is not kept."
    ),
    setup="""# Environment of the agents: their decisions come here; the bearer token that they send is {key}
RUVECTOR_SERVICE_URL={url}
# Whoever calls Shield may hand on its responses:
curl {url}/api/v1/sources/shield -H "Authorization: Bearer {key}" -d @response.json""",
    read=read,
    doors=(Door(path="/api/v1/events/decision"),),
    examples=(
        Example(
            title="a decision",
            path="/api/v1/events/decision",
            body='{"agent_id": "prompt-injection-detection-agent", "agent_version": "1.0.0", '
            '"decision_type": "prompt_injection_detection", "inputs_hash": "d86fea", "outputs": {'
            '"threats_detected": true, "risk_score": 0.575, "severity": "medium", "confidence": 0.91, '
            '"pattern_match_count": 3, "detected_categories": ["instruction_override", "jailbreak"]}, '
            '"execution_ref": "x-1", "timestamp": "2026-10-21T10:35:00.000Z", "duration_ms": 1.84, '
            '"telemetry": {"content_length": 80, "content_source": "user_input", "session_id": "s-1"}}',
        ),
        Example(
            title="nothing found",
            body='{"agent_id": "pii-agent", "decision_type": "pii_detection", "execution_ref": "x-2", '
            '"outputs": {"pii_detected": false, "severity": "none"}, "timestamp": "2026-10-21T10:35:00.000Z"}',
            opens=0,
        ),
        Example(
            title="a scan",
            body='{"result": {"isValid": false, "riskScore": 0.95, "scannerResults": [{"scanner": "PromptInjection", '
            '"isValid": false, "riskScore": 0.95, "riskFactors": [{"description": "Detected 2 indicators", '
            '"severity": "Critical", "score": 0.95}], "entities": [{"entityType": "prompt_injection", '
            '"text": "[instruction_override]"}]}]}, "execution": {"executionId": "e-1", "repoSpan": {'
            '"name": "llm-shield", "endTime": "2026-10-21T10:35:00+00:00"}}}',
        ),
    ),
)

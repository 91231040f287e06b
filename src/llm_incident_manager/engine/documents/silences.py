"""Silences as documents: ``{matchers: [{name, value, is_regex, is_equal}], starts_at, ends_at, comment}``."""

import re
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

import msgspec

from llm_incident_manager.domain.routing.silence import Matcher, Silence, compile_matcher
from llm_incident_manager.engine.documents.findings import Findings, quoted
from llm_incident_manager.engine.documents.kinds import SERVER_MADE
from llm_incident_manager.engine.documents.known import Known
from llm_incident_manager.engine.documents.part import Part
from llm_incident_manager.errors import FieldFault, Invalid

MAX_MATCHERS = 50
LONGEST = 500
_SHORT_BYTES = 2000
"""Longer documents are not remembered: a thousand of them would cost what they save."""
_NEVER = datetime.max.replace(tzinfo=UTC)
_WRITTEN = re.compile(r"""\s*([A-Za-z_][\w.:/-]*)\s*(=~|!~|!=|=)\s*(.*?)\s*""", re.DOTALL)


def parse_silence(document: dict[str, Any], known: Known, findings: Findings) -> Silence:
    """Return a silence; one of its matchers must ask for something, or it would mute everything."""
    part = Part(document, "", findings)
    matchers = [found for path, value in part.values("matchers") if (found := _matcher(path, value, findings))]
    if not part.has("matchers") or not part.values("matchers"):
        part.fault("matchers", "is required: at least one, such as {name: alertname, value: Slow}")
    elif len(part.values("matchers")) > MAX_MATCHERS:
        part.fault("matchers", f"are more than {MAX_MATCHERS}")
    elif matchers and all(_holds_for_nothing(matcher) for matcher in matchers):
        part.fault("matchers", "all match what is empty, so the silence would mute everything; ask for some value")
    starts_at, ends_at = _instant(part, "starts_at"), _instant(part, "ends_at")
    if starts_at is not None and ends_at is not None and ends_at <= starts_at:
        part.fault("ends_at", f"{ends_at.isoformat()} is not after the start, {starts_at.isoformat()}")
    silence = Silence(
        id=part.text("id"),
        matchers=tuple(matchers),
        starts_at=starts_at or _NEVER,
        ends_at=ends_at or _NEVER,
        created_by=part.text("created_by", limit=200),
        comment=part.text("comment", limit=2000),
    )
    part.allow("state", *SERVER_MADE)
    part.done()
    return silence


def stored_silence(document: dict[str, Any]) -> Silence | None:
    """Return the silence of a stored document, or ``None`` where something is wrong with it.

    A tenant may have a thousand, and every change of its settings reads all of them: what was read is remembered.
    """
    try:
        written = msgspec.json.encode(document, order="sorted")
    except (TypeError, ValueError):
        return None
    return _remembered(written) if len(written) <= _SHORT_BYTES else _read(written)


def _read(written: bytes) -> Silence | None:
    findings = Findings()
    silence = parse_silence(msgspec.json.decode(written), Known(), findings)
    return None if findings.faults else silence


_remembered = lru_cache(maxsize=2048)(_read)


def read_matcher(text: str) -> Matcher:
    """Return the matcher that people write as ``name=value``, ``!=``, ``=~`` or ``!~``, quoted or not.

    Raises Invalid.
    """
    found = _WRITTEN.fullmatch(text) if len(text) <= 2 * LONGEST else None
    if found is None or not _is_sound(text):
        raise Invalid(
            f"{text[:100]!r} is no matcher",
            [FieldFault("filter", f"{quoted(text[:100])} is no matcher; write name=value, name!=value, name=~pattern")],
            code="invalid_parameter",
        )
    name, sign, value = found.groups()
    if len(value) >= 2 and value[0] == value[-1] == '"':
        value = re.sub(r'\\(["\\])', r"\1", value[1:-1])
    matcher = Matcher(name=name, value=value, is_regex="~" in sign, is_equal=not sign.startswith("!"))
    if matcher.is_regex:
        try:
            compile_matcher(value)
        except ValueError as wrong:
            fault = FieldFault("filter", f"the pattern {quoted(value)} {wrong}")
            raise Invalid(f"{fault.message}", [fault], code="invalid_parameter") from None
    return matcher


def _matcher(path: str, value: object, findings: Findings) -> Matcher | None:
    if isinstance(value, str):
        try:
            return read_matcher(value)
        except Invalid as wrong:
            findings.fault(path, wrong.faults[0].message)
            return None
    before = len(findings.faults)
    part = Part(value, path, findings)
    _, given = part.take("value")
    if not isinstance(given, str) or len(given) > LONGEST:
        part.fault("value", f"is required: a text of at most {LONGEST} characters")
        given = ""
    if not _is_sound(given):
        part.fault("value", "has NUL or half characters; remove them")
        given = ""
    matcher = Matcher(
        name=part.text("name", required=True, limit=200),
        value=given,
        is_regex=part.flag("is_regex", default=False),
        is_equal=part.flag("is_equal", default=True),
    )
    part.done()
    if matcher.is_regex:
        try:
            compile_matcher(matcher.value)
        except ValueError as wrong:
            part.fault("value", f"the pattern {quoted(matcher.value)} {wrong}")
    return matcher if len(findings.faults) == before else None


def _is_sound(text: str) -> bool:
    return "\x00" not in text and not any("\ud800" <= character <= "\udfff" for character in text)


def _holds_for_nothing(matcher: Matcher) -> bool:
    return matcher.matches({})


def _instant(part: Part, name: str) -> datetime | None:
    value = part.text(name, required=True)
    if not value:
        return None
    try:
        instant = datetime.fromisoformat(value)
        if instant.tzinfo is not None:
            return instant.astimezone(UTC)
    except (ValueError, OverflowError):
        pass
    part.fault(name, f"{quoted(value)} is not an instant with its zone, such as '2027-02-01T08:00:00Z'")
    return None

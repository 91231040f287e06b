"""Sources as documents: our own spelling, and specification §6.1's ``integrations`` as written."""

import hashlib
import re
from typing import Any

from llm_incident_manager.domain.events.event import SourceSettings
from llm_incident_manager.domain.events.origin import network
from llm_incident_manager.domain.events.redact import KINDS
from llm_incident_manager.domain.events.sealed_path import SealedPath, read_sealed_path
from llm_incident_manager.domain.vocabulary import Severity
from llm_incident_manager.engine.documents.contacts import address_fault
from llm_incident_manager.engine.documents.findings import Findings, quoted
from llm_incident_manager.engine.documents.kinds import Kind
from llm_incident_manager.engine.documents.known import Known
from llm_incident_manager.engine.documents.log_rules import parse_log_rules
from llm_incident_manager.engine.documents.part import Part
from llm_incident_manager.engine.documents.people import read_id
from llm_incident_manager.engine.documents.pulling import parse_provider, parse_pull
from llm_incident_manager.engine.documents.source_mapping import parse_mapping
from llm_incident_manager.engine.documents.source_queue import parse_queue

_HEADER = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}")
_DIGEST = re.compile(r"[0-9a-f]{64}")
_MODES = ("push", "pull", "queue")
_BACKOFFS = ("exponential", "linear", "constant")


def parse_source(document: dict[str, Any], known: Known, findings: Findings) -> SourceSettings:
    """Return a source's settings. ``extra`` keeps ``mode``, ``endpoint``, ``retry`` and the ingest key's digest.

    ``extra["api_key_sha256"]`` is the hex SHA-256 of the key in the document, which is an ingest key of this source;
    ``extra["client_certificates"]`` are the names of client certificates that are this source's (SEC-04).
    """
    part = Part(document, "", findings)
    name = read_id(part, Kind.SOURCES, document)
    if part.text("name", default=name) != name:
        part.fault("name", f"is not the id, {quoted(name)}; a source's id is its name")
    mode = part.one_of("mode", _MODES, default="push")
    queue = parse_queue(part)
    if mode == "queue" and not part.has("queue"):
        part.fault("queue", "is required in mode queue; say where, as in queue: {url: amqp://…, exchange: …}")
    extra: dict[str, Any] = {"mode": mode}
    endpoint = part.text("endpoint", limit=2000)
    if endpoint and address_fault("webhook", endpoint):
        part.fault("endpoint", f"{quoted(endpoint)} is not a URL such as https://sentinel.example.com/api")
    if "@" in endpoint.partition("://")[2].partition("/")[0]:
        part.fault("endpoint", "carries a password; put the key under authentication.api_key, where nobody is shown it")
    if endpoint:
        extra["endpoint"] = endpoint
    header, key, digest = _authentication(part)
    pulls = mode == "pull"
    # The key of a source that is asked opens the other side's door, not ours.
    extra |= {"api_key_sha256": digest} if digest and not pulls else {}
    certificates = _certificates(part)
    extra |= {"client_certificates": certificates} if certificates else {}
    retry = _retry(part)
    extra |= {"retry": retry} if retry else {}
    words = _severity_words(part)
    mapping, fields = part.part("mapping"), None
    if mapping is not None:
        words |= _severity_words(mapping, "severity")
        fields = parse_mapping(mapping)
        mapping.done()
    settings = SourceSettings(
        name=name,
        enabled=part.flag("enabled", default=True),
        strict=part.flag("strict", default=False),
        severity_words=words,
        key_header=part.text("key_header") or (None if pulls else header),
        resolve=part.one_of("resolve", ("resolve", "propose"), default="resolve"),
        events_per_minute=part.whole("events_per_minute", low=1, high=100_000_000, unit="events"),
        plugin=part.text("plugin", limit=100) or None,
        signing_secret=_signing_secret(part),
        signature_header=part.text("signature_header").lower() or None,
        allow_ips=_networks(part),
        quiet_seconds=part.whole("quiet_seconds", low=60, high=30 * 86_400, unit="seconds"),
        log_rules=parse_log_rules(part),
        mapping=fields,
        redact=_redact(part),
        queue=queue,
        pull=parse_pull(part, endpoint, header, key, is_pulled=pulls),
        provider=parse_provider(part),
        encrypt=_encrypt(part),
        extra=extra,
    )
    if settings.key_header and not _HEADER.fullmatch(settings.key_header):
        part.fault("key_header", f"{quoted(settings.key_header)} is not the name of an HTTP header")
    if settings.signature_header and not _HEADER.fullmatch(settings.signature_header):
        part.fault("signature_header", f"{quoted(settings.signature_header)} is not the name of an HTTP header")
    part.allow("description", "extra")
    part.done()
    return settings


def without_key(document: dict[str, Any]) -> dict[str, Any]:
    """Return the document as it may be stored: a pushing source's key is replaced by its digest (SEC-02).

    A pulling source needs the key itself to call the other side.
    """
    authentication = document.get("authentication")
    if not isinstance(authentication, dict) or document.get("mode") == "pull":
        return document
    key = authentication.get("api_key")
    if not isinstance(key, str | int) or isinstance(key, bool):
        return document
    kept = {name: value for name, value in authentication.items() if name not in ("api_key", "api_key_sha256")}
    return document | {"authentication": kept | ({"api_key_sha256": _digest(str(key).strip())} if key else {})}


def _authentication(owner: Part) -> tuple[str | None, str, str | None]:
    """Return the header that carries the key, the key, and its digest."""
    part = owner.part("authentication")
    if part is None:
        return None, "", None
    part.one_of("type", ("api_key", "none"), default="api_key")
    header = part.text("api_key_header") or None
    if header and not _HEADER.fullmatch(header):
        part.fault("api_key_header", f"{quoted(header)} is not the name of an HTTP header")
    key = part.text("api_key")
    digest = part.text("api_key_sha256")
    if digest and not _DIGEST.fullmatch(digest):
        part.fault("api_key_sha256", "is not a SHA-256 in 64 hexadecimal digits")
    if key and len(key) < 16:
        part.note("api_key", "is shorter than 16 characters; choose a longer one")
    part.done()
    return header, key, _digest(key) if key else digest or None


def _signing_secret(part: Part) -> str | None:
    secret = part.text("signing_secret")
    if secret and len(secret) < 16:
        part.note("signing_secret", "is shorter than 16 characters; choose a longer one where the sender lets you")
    return secret or None


def _networks(part: Part) -> tuple[str, ...]:
    found: list[str] = []
    for path, word in part.words("allow_ips"):
        try:
            found.append(str(network(word)))
        except ValueError:
            part.findings.fault(path, f"{quoted(word)} is neither a network such as 10.0.0.0/8 nor an address")
    return tuple(found)


def _redact(part: Part) -> tuple[str, ...]:
    found: list[str] = []
    for path, word in part.words("redact"):
        if word in KINDS:
            found.append(word)
        else:
            part.findings.fault(path, f"{quoted(word)} is not one of {', '.join(KINDS)}")
    return tuple(dict.fromkeys(found))


def _encrypt(part: Part) -> tuple[SealedPath, ...]:
    found: list[SealedPath] = []
    for path, word in part.words("encrypt"):
        try:
            found.append(read_sealed_path(word))
        except ValueError as wrong:
            part.findings.fault(path, f"{quoted(word)} {wrong}")
    return tuple(dict.fromkeys(found))


def _certificates(owner: Part) -> list[str]:
    """Return the names, as a certificate carries them: subject alternative names (a SPIFFE id, DNS …) or the CN."""
    names = []
    for path, name in owner.words("client_certificate"):
        if len(name) > 500 or not name.isprintable():
            owner.findings.fault(path, f"{quoted(name)} is not a name that a certificate carries")
        names.append(name)
    return names


def _retry(owner: Part) -> dict[str, Any]:
    part = owner.part("retry")
    if part is None:
        return {}
    attempts = part.whole("max_attempts", low=1, high=20, unit="attempts")
    backoff = part.one_of("backoff", _BACKOFFS, default="exponential")
    part.done()
    return {"max_attempts": attempts or 3, "backoff": backoff}


def _severity_words(owner: Part, name: str = "severity_words") -> dict[str, Severity]:
    part = owner.part(name)
    if part is None:
        return {}
    found: dict[str, Severity] = {}
    for word, _ in part.members():
        severity = part.choice(word, Severity, required=True)
        if severity is not None:
            found[word.strip().lower()] = severity
    return found


def _digest(key: str) -> str:
    return hashlib.sha256(key.encode(errors="surrogatepass")).hexdigest()

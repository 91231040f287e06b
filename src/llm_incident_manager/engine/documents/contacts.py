"""Contacts as people write them: ``{email: ana@example.com, webhook: {url: …, secret: …}}``."""

import re
from urllib.parse import urlsplit

from llm_incident_manager.domain.people import Contact
from llm_incident_manager.engine.documents.findings import did_you_mean, quoted
from llm_incident_manager.engine.documents.part import Part

CHANNELS = ("email", "slack", "teams", "pagerduty", "opsgenie", "jsm", "sms", "phone", "webhook", "apprise")
"""Specification §5.3 ``Channel`` and §6.2's ``phone``. What cannot be sent on yet is kept and, in its turn, skipped."""
_EMAIL = re.compile(r"[^@\s,;<>\"]+@[^@\s,;<>\"]+")
_CONVERSATION = re.compile(r"[CGDUW][A-Z0-9]{6,20}")
_PHONE = re.compile(r"\+[1-9][0-9]{6,14}")
_INTEGRATION_KEY = re.compile(r"[A-Za-z0-9]{32}")
_CLOUD_ID = re.compile(r"[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}(/.*)?")
_EMAIL_AND_TOKEN = re.compile(r"[^@\s:]+@[^@\s:]+:\S+")


def read_contacts(owner: Part) -> tuple[Contact, ...]:
    """Return the contacts in the order written; an empty address means that there is none."""
    part = owner.part("contacts")
    found: list[Contact] = []
    if part is None:
        return ()
    for channel, _ in part.members():
        if channel not in CHANNELS:
            hint = did_you_mean(channel, CHANNELS) or f"channels: {', '.join(CHANNELS)}"
            part.fault(channel, f"{quoted(channel)} is not a channel; {hint}")
            continue
        for path, written in part.values(channel):
            contact = _contact(channel, written, path, part)
            if contact is not None:
                found.append(contact)
    return tuple(found)


def is_external_address(written: str) -> bool:
    """Whether an ``external`` target can be reached: its id is an e-mail address, or a URL for the webhook channel."""
    return address_fault("email", written) is None or address_fault("webhook", written) is None


def address_fault(channel: str, address: str) -> str | None:
    """Return what is wrong with an address of that channel, without repeating it: it may be a secret."""
    if channel == "email" and not _EMAIL.fullmatch(address):
        return f"{quoted(address)} is not an e-mail address such as ana@example.com"
    if channel in ("sms", "phone") and not _PHONE.fullmatch(re.sub(r"[ ()-]", "", address)):
        return f"{quoted(address)} is not a telephone number such as +34600123456"
    if channel == "slack" and _CONVERSATION.fullmatch(address):
        return None
    if channel in ("webhook", "slack", "teams") and not _is_url(address):
        return "is not a URL such as https://example.com/hook"
    if channel == "pagerduty" and not _INTEGRATION_KEY.fullmatch(address):
        return "is not an integration key of PagerDuty's Events API v2: 32 letters and digits"
    if channel == "jsm" and not _CLOUD_ID.fullmatch(address):
        return (
            f"{quoted(address)} does not begin with the cloud id of a site; "
            "https://SITE.atlassian.net/_edge/tenant_info names it"
        )
    return None if address else "is empty"


def _contact(channel: str, written: object, path: str, part: Part) -> Contact | None:
    if isinstance(written, dict):
        inner = Part(written, path, part.findings)
        address = inner.text("url", "address", limit=2000)
        secret = inner.text("secret", limit=500) or None
        inner.done()
    elif isinstance(written, str):
        address, secret = written.strip(), None
    elif written is None:
        return None
    else:
        part.findings.fault(path, f"{quoted(written)} is not an address; put it in quotes")
        return None
    if not address:
        return None
    fault = address_fault(channel, address)
    if fault is not None:
        part.findings.fault(path, fault)
        return None
    if channel == "jsm" and not _EMAIL_AND_TOKEN.fullmatch(secret or ""):
        fault = 'needs a secret, an e-mail address and an API token: {address: …, secret: "ana@example.com:TOKEN"}'
        part.findings.fault(path, fault)
        return None
    return Contact(channel=channel, address=address, secret=secret)


def _is_url(address: str) -> bool:
    try:
        parts = urlsplit(address)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        return False

"""Headers of messages, as a source expects those of a request: lower case, text, CloudEvents' attributes as ``ce-``."""

from collections.abc import Iterable
from datetime import datetime

_CLOUD_EVENTS = ("cloudevents:", "cloudevents_", "ce_")
"""How the CloudEvents bindings of AMQP and Kafka write what HTTP writes as ``ce-``; NATS writes ``ce-`` itself."""
_MOST = 100
_LONGEST = 4096


def headers_of(pairs: Iterable[tuple[object, object]]) -> dict[str, str]:
    """Return at most a hundred headers; what is neither text nor a number is left out."""
    found: dict[str, str] = {}
    for name, value in pairs:
        label, text = _text(name), _text(value)
        if label is None or text is None or len(found) >= _MOST:
            continue
        label = label.lower()
        for prefix in _CLOUD_EVENTS:
            if label.startswith(prefix):
                label = f"ce-{label.removeprefix(prefix)}"
        found[label] = text
    return found


def _text(value: object) -> str | None:
    if isinstance(value, bytes | bytearray):
        value = bytes(value).decode("utf-8", "replace")
    if isinstance(value, datetime):
        value = value.isoformat()
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    return str(value)[:_LONGEST]

"""Request ids that carry their own answer: what was asked, when, and of which alert; so nothing need be stored of them.

An Opsgenie client is answered with a request id and asks later what came of it, after a restart too. The id is a UUID
(version 8) of: action, whether there was an alert, the incident's day and number, the instant, and a check over these.
"""

import hashlib
import uuid
from datetime import UTC, date, datetime, timedelta

import msgspec

from llm_incident_manager.ids import incident_id, incident_number

ACTIONS = (
    "Create", "Close", "Acknowledge", "UnAcknowledge", "Snooze", "Escalate", "AssignOwnership", "AddNote", "AddTags",
    "RemoveTags", "AddDetails", "RemoveDetails", "AddResponder", "AddTeam", "CustomAction", "UpdateMessage",
    "UpdateDescription", "UpdatePriority", "Delete",
)  # fmt: skip
"""Their place is their number in ids that were given out: append only."""
_EPOCH = datetime(2020, 1, 1, tzinfo=UTC)
_FIELDS = (5, 1, 16, 30, 40)
_CHECK = 30


class RequestMade(msgspec.Struct, frozen=True, kw_only=True):
    """What a request id says; ``incident_id`` is None where there was no such alert."""

    action: str
    incident_id: str | None
    at: datetime


def request_id(made: RequestMade) -> str:
    """Return the id of a request."""
    found = incident_number(made.incident_id) if made.incident_id is not None else None
    day, number = found or (_EPOCH.date(), 0)
    milliseconds = (made.at - _EPOCH) // timedelta(milliseconds=1)
    packed = 0
    values = (ACTIONS.index(made.action), int(found is not None), (day - _EPOCH.date()).days, number, milliseconds)
    for value, bits in zip(values, _FIELDS, strict=True):
        packed = packed << bits | value & ((1 << bits) - 1)
    whole = packed << _CHECK | _check(packed)
    high, middle, low = whole >> 74, whole >> 62 & 0xFFF, whole & ((1 << 62) - 1)
    return str(uuid.UUID(int=high << 80 | 8 << 76 | middle << 64 | 2 << 62 | low))


def request_made(written: str) -> RequestMade | None:
    """Return what a request id says, or None for what is none of ours."""
    try:
        found = uuid.UUID(written).int
    except ValueError:
        return None
    if found >> 76 & 0xF != 8:
        return None
    whole = (found >> 80) << 74 | (found >> 64 & 0xFFF) << 62 | found & ((1 << 62) - 1)
    packed, check = whole >> _CHECK, whole & ((1 << _CHECK) - 1)
    if check != _check(packed):
        return None
    values: list[int] = []
    for bits in reversed(_FIELDS):
        values.insert(0, packed & ((1 << bits) - 1))
        packed >>= bits
    action, known, days, number, milliseconds = values
    if action >= len(ACTIONS):
        return None
    day: date = _EPOCH.date() + timedelta(days=days)
    return RequestMade(
        action=ACTIONS[action],
        incident_id=incident_id(day, number) if known else None,
        at=_EPOCH + timedelta(milliseconds=milliseconds),
    )


def _check(packed: int) -> int:
    digest = hashlib.blake2b(packed.to_bytes(16, "big"), digest_size=8, person=b"opsgenie request").digest()
    return int.from_bytes(digest, "big") & ((1 << _CHECK) - 1)

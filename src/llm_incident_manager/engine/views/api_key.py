"""One API key as every API shows it: everything but the secret."""

from datetime import datetime
from typing import Any

from llm_incident_manager.engine.rows import ApiKey
from llm_incident_manager.engine.views.instants import iso, iso_or_none


def key_document(key: ApiKey, *, now: datetime, replaced_by: str | None = None) -> dict[str, Any]:
    """Return a key as every API shows it, without its secret."""
    return {
        "id": key.id,
        "name": key.name,
        "scopes": [str(scope) for scope in key.scopes],
        "tenant_id": key.tenant,
        "platform": key.platform,
        "source": key.source,
        "user_id": key.user_id,
        "created_at": iso(key.created_at),
        "rotate_after": iso_or_none(key.rotate_after),
        "rotation_due": replaced_by is None and is_due(key, now),
        "expires_at": iso_or_none(key.expires_at),
        "revoked_at": iso_or_none(key.revoked_at),
        "last_used_at": iso_or_none(key.last_used_at),
        "replaces": key.replaces,
        "replaced_by": replaced_by,
    }


def is_due(key: ApiKey, now: datetime) -> bool:
    """Whether the key still works and should have been rotated by now."""
    works = key.revoked_at is None and (key.expires_at is None or now < key.expires_at)
    return works and key.rotate_after is not None and key.rotate_after <= now

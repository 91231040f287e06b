"""Which events mean the same trouble: a versioned digest over what does not change while it lasts."""

import hashlib
import unicodedata
from functools import lru_cache

FINGERPRINT_VERSION = 1
"""Rises when the recipe changes; a fingerprint begins with it, so that old and new ones never meet by accident."""


@lru_cache(maxsize=4096)  # trouble repeats itself: in a storm the same few are asked for again and again
def fingerprint(
    tenant: str,
    source: str,
    category: str,
    resource_type: str,
    resource_id: str,
    title: str,
    environment: str | None,
    dedup_key: str | None = None,
) -> str:
    """Return ``1:`` and 32 hex digits: equal for events that mean the same trouble.

    Severity and event type are left out, so that worse news and a recovery find their incident. Letter case and white
    space of the title do not matter. A ``dedup_key`` is the source's own word for "the same": then only tenant, source
    and key count, because a recovery often carries nothing else.
    """
    if dedup_key:
        parts: tuple[str, ...] = (tenant, source, dedup_key)
    else:
        heading = " ".join(title.split())
        if not heading.isascii():
            heading = unicodedata.normalize("NFC", heading)
        parts = (tenant, source, category, resource_type, resource_id, heading.casefold(), environment or "")
    measured = "".join([f"{len(part)}:{part}" for part in parts])  # lengths keep ("ab", "c") apart from ("a", "bc")
    digest = hashlib.blake2b(measured.encode("utf-8", "surrogatepass"), digest_size=16)
    return f"{FINGERPRINT_VERSION}:{digest.hexdigest()}"

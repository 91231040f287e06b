"""Cross-source keys as a document: ``{keys: […]}``; the first that matches an event counts."""

from typing import Any

from llm_incident_manager.domain.correlation.cross_keys import CrossKey, parse_cross_key
from llm_incident_manager.engine.documents.findings import Findings
from llm_incident_manager.engine.documents.kinds import SERVER_MADE
from llm_incident_manager.engine.documents.known import Known
from llm_incident_manager.engine.documents.part import Part
from llm_incident_manager.errors import Invalid

MOST_KEYS = 100


def parse_correlation(document: dict[str, Any], known: Known, findings: Findings) -> tuple[CrossKey, ...]:
    """Return the keys in the order written; one with a fault is left out."""
    part = Part(document, "", findings)
    part.allow("id", *SERVER_MADE)
    listed = part.values("keys")
    if len(listed) > MOST_KEYS:
        part.fault("keys", f"has {len(listed)} keys; at most {MOST_KEYS} are allowed")
    found: list[CrossKey] = []
    for path, value in listed[:MOST_KEYS]:
        try:
            key = parse_cross_key(value, path)
        except Invalid as invalid:
            findings.faults.extend(invalid.faults)
            continue
        if key.name in [each.name for each in found]:
            findings.fault(f"{path}.name", f'there is a key "{key.name}" already; names are unique')
            continue
        found.append(key)
    part.done()
    return tuple(found)

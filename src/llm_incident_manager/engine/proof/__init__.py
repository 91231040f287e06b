"""What proves the audit trail: signed statements about chain heads, removals that were recorded, exports (AUD-06)."""

"""The journal's records are the engine's: see :mod:`llm_incident_manager.engine.records`."""

from llm_incident_manager.engine.records import FORMAT, Damage, Entry, Position, Record

__all__ = ["FORMAT", "Damage", "Entry", "Position", "Record"]

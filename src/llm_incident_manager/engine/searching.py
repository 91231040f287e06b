"""A search as the work of a transaction, for those who read a list page by page."""

from collections.abc import Callable

from llm_incident_manager.engine.ports import Transaction
from llm_incident_manager.engine.rows import IncidentFilter, IncidentPage


def searching(wanted: IncidentFilter) -> Callable[[Transaction], IncidentPage]:
    """Return what finds one page of ``wanted``, to be handed to :meth:`Store.read`."""
    return lambda tx: tx.incidents.search(wanted)

"""Who has how much, asked of the database once in a transaction, and kept true while that goes on."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Protocol

import msgspec

from llm_incident_manager.domain.routing.strategy import Load


class CountsOpen(Protocol):
    """What is asked of the incidents."""

    def open_counts(self, *, users: Sequence[str], teams: Sequence[str]) -> dict[str, int]:
        """Return how many open incidents each has, under ``user:…`` and ``team:…``; who has none is left out."""
        ...


class KnowsPaged(Protocol):
    """What is asked of the page ledger."""

    def last_planned(self, recipients: Sequence[str]) -> dict[str, datetime]:
        """Return when each was last paged, or was to be; who never was is left out."""
        ...


class Asked(Protocol):
    """The part of a transaction that is asked."""

    @property
    def incidents(self) -> CountsOpen: ...
    @property
    def notifications(self) -> KnowsPaged: ...


class Loads:
    """The loads of people and teams. Nothing is asked where no route balances.

    Several incidents that open in one transaction are spread as if they came one after the other: what was given is
    counted here, because it is written only at the end.
    """

    def __init__(self, tx: Asked) -> None:
        self._tx = tx
        self._known: dict[str, Load] = {}

    def __call__(self, keys: Sequence[str]) -> Mapping[str, Load]:
        """Return the loads of ``user:…`` and ``team:…``."""
        asked = [key for key in keys if key not in self._known]
        if asked:
            users = [name for kind, _, name in (key.partition(":") for key in asked) if kind == "user"]
            teams = [name for kind, _, name in (key.partition(":") for key in asked) if kind == "team"]
            counts = self._tx.incidents.open_counts(users=users, teams=teams)
            paged = self._tx.notifications.last_planned(asked)
            self._known |= {key: Load(counts.get(key, 0), paged.get(key)) for key in asked}
        return {key: self._known[key] for key in keys}

    def given(self, key: str, at: datetime) -> None:
        """Count one more incident for somebody who is known here, paged at ``at``."""
        load = self._known.get(key)
        if load is not None:
            self._known[key] = msgspec.structs.replace(load, open=load.open + 1, paged_at=at)

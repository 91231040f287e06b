"""Five guarantees, each broken on purpose: the simulator must notice (it would be worth nothing otherwise)."""

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import msgspec
import pytest

from llm_incident_manager.domain.escalation.timer import Timer
from llm_incident_manager.domain.incidents.incident import Incident
from llm_incident_manager.domain.incidents.ladder import StepKind
from llm_incident_manager.domain.notifications.notification import DeliveryState
from llm_incident_manager.engine import deliver, timers, triage, triage_batch
from llm_incident_manager.engine.records import Entry
from tests.simulator.disk import MemoryDisk

Mutation = Callable[[pytest.MonkeyPatch], None]


def answers_before_the_sync(patch: pytest.MonkeyPatch) -> None:
    """The 202 leaves before its ``fdatasync``: a loss of power takes what was promised."""
    patch.setattr(MemoryDisk, "sync", lambda disk, descriptor: None)


def marks_done_before_the_commit(patch: pytest.MonkeyPatch) -> None:
    """The journal forgets a batch before the database has it: a crash or a refusal in between loses events."""
    whole = triage.Triage._transact

    async def early(self: triage.Triage, tenant: str, entries: Sequence[Entry]) -> None:
        self._journal.done([entry.position for entry in entries])
        await whole(self, tenant, entries)

    patch.setattr(triage.Triage, "_transact", early)


def timers_fire_blindly(patch: pytest.MonkeyPatch) -> None:
    """A claimed timer fires though somebody took the incident in between."""
    whole = timers.acts
    steps = {kind.value for kind in StepKind}

    def blind(incident: Incident, timer: Timer) -> bool:
        return whole(incident, timer) or (timer.kind.value in steps and incident.ladder.pending is not None)

    patch.setattr(timers, "acts", blind)


def counts_without_identity(patch: pytest.MonkeyPatch) -> None:
    """Events are counted as they come, whether they were counted before or not."""

    def blind(tx: Any, items: Sequence[triage_batch.Item], context: Any, reserve: Any) -> triage_batch.Triaged:
        result = triage_batch.Triaged()
        waiting = list(items)
        while waiting:
            waiting = triage_batch._wave(tx, waiting, context, reserve, result)
        return result

    patch.setattr(triage, "triage_batch", blind)


def loses_the_retry(patch: pytest.MonkeyPatch) -> None:
    """A page that fails for the moment is given up for good."""

    def given_up(tx: Any, row: Any, *rest: Any) -> list[Any]:
        ended = msgspec.structs.replace(row, state=DeliveryState.FAILED, next_attempt_at=None, last_error="503")
        tx.notifications.save(ended)
        return []

    patch.setattr(deliver, "_retry", given_up)


MUTATIONS: Mapping[str, Mutation] = MappingProxyType(
    {
        each.__name__: each
        for each in (
            answers_before_the_sync,
            marks_done_before_the_commit,
            timers_fire_blindly,
            counts_without_identity,
            loses_the_retry,
        )
    }
)

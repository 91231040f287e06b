"""① Messages of a queue through the source's door: translated, accepted durably, acted on (ING-10).

It differs from ``sources/receive.py`` in what is at stake: an answer here lets the broker forget the message.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import timedelta
from itertools import groupby
from typing import Protocol

import msgspec

from llm_incident_manager.domain.events.document import parse, peek, written
from llm_incident_manager.domain.events.stable import stable_event_id
from llm_incident_manager.engine.caller import Caller
from llm_incident_manager.engine.receipts import Receipt
from llm_incident_manager.engine.source_acts import Act
from llm_incident_manager.errors import (
    Conflict,
    Forbidden,
    IncidentManagerError,
    Invalid,
    RateLimited,
    Unavailable,
)
from llm_incident_manager.sources.receive import Acts, Chosen, item_of, translated
from llm_incident_manager.sources.spec import Sent, SourceRequest, Step

NotYet = IncidentManagerError
"""Why a message must be taken again later."""
_ANOTHER_TIME = timedelta(days=7)


class QueueIntake(Protocol):
    """What receiving from queues needs of the intake."""

    async def accept_each(
        self, items: Sequence[bytes], caller: Caller, *, all_or_none: bool = True
    ) -> list[Receipt]: ...

    async def keep_rejected(
        self, answered: Iterable[tuple[bytes, Receipt]], caller: Caller, *, durably: bool = False
    ) -> None: ...

    async def keep_refused(
        self, body: bytes, caller: Caller, source: str, refused: Invalid, *, durably: bool = False
    ) -> None: ...

    def require_open(self, caller: Caller, source: str) -> None: ...


class ReceiveQueued:
    """Receives what readers of queues fetched; they acknowledge only what :meth:`take` is done with."""

    def __init__(self, intake: QueueIntake, acts: Acts) -> None:
        self._intake = intake
        self._acts = acts

    async def take(self, chosen: Chosen, requests: Sequence[SourceRequest], caller: Caller) -> list[NotYet | None]:
        """Take messages in their order; return for each ``None`` once it is done with, or why not yet.

        Done with means that its events are durable and its acts done, or that it can never be taken and is kept as a
        dead letter, as durable. Events of neighbours become durable together. All of it may be taken again at any time.

        Raises:
            Forbidden: the source may not send now.
        """
        self._intake.require_open(caller, chosen.source)
        read = [await self._read(chosen, request, caller) for request in requests]
        answers: list[NotYet | None] = []
        for acting, stretch in groupby(read, key=lambda each: isinstance(each, Sent) and bool(_acts_of(each))):
            # A problem that comes back after its end must not join what the end is about: no event overtakes an act.
            for together in [[each] for each in stretch] if acting else [list(stretch)]:
                answers += await self._taken(chosen, together, caller)
        return answers

    async def keep(self, body: bytes, caller: Caller, source: str, refused: Invalid) -> None:
        """Keep what can never be taken as a dead letter, durably; raises Unavailable."""
        await self._intake.keep_refused(body, caller, source, refused, durably=True)

    async def _read(self, chosen: Chosen, request: SourceRequest, caller: Caller) -> Sent | Unavailable | None:
        try:
            return identified(chosen, request)
        except Invalid as refused:
            try:
                await self.keep(request.body, caller, chosen.source, refused)
            except Unavailable as away:
                return away
            return None

    async def _taken(
        self, chosen: Chosen, together: Sequence[Sent | Unavailable | None], caller: Caller
    ) -> list[NotYet | None]:
        items = [item for sent in together if isinstance(sent, Sent) for item in _items_of(sent)]
        try:
            receipts = await self._intake.accept_each(items, caller, all_or_none=False)
            answered = list(zip(items, receipts, strict=True))
            await self._intake.keep_rejected(answered, caller, durably=True)
            for item, receipt in answered:
                if isinstance(receipt.refusal, Forbidden):
                    await self.keep(item, caller, chosen.source, Invalid(receipt.refusal.message, code="forbidden"))
        except (Unavailable, RateLimited) as refused:
            return [refused if isinstance(each, Sent) else each for each in together]
        left = iter(receipts)
        answers: list[NotYet | None] = []
        for each in together:
            if not isinstance(each, Sent):
                answers.append(each)
                continue
            refusals = [next(left).refusal for _ in _items_of(each)]
            later = next((one for one in refusals if isinstance(one, RateLimited | Unavailable)), None)
            answers.append(later or await self._acted(chosen, each, caller))
        return answers

    async def _acted(self, chosen: Chosen, sent: Sent, caller: Caller) -> NotYet | None:
        acts = _acts_of(sent)
        try:
            if acts:
                await self._acts.do(caller, acts)
        except (Unavailable, RateLimited, Conflict) as refused:
            return refused
        except Invalid as refused:
            try:
                await self.keep(msgspec.json.encode(acts), caller, chosen.source, refused)
            except Unavailable as away:
                return away
        return None


def identified(chosen: Chosen, request: SourceRequest) -> Sent:
    """Return what the plugin makes of a message, every event with an id that stays when the message comes again.

    Where a plugin finds no id in what it reads, it takes the time of reading for one, or leaves it out: then the
    message's own id stands in. Raises Invalid.
    """
    sent = translated(chosen, request)
    if not request.message_id:
        return sent
    again = translated(chosen, replace(request, received_at=request.received_at + _ANOTHER_TIME))
    steps = [
        _named(step, other, stable_event_id(request.message_id, str(number)))
        for number, (step, other) in enumerate(zip(sent.steps, again.steps, strict=True))
    ]
    return replace(sent, steps=tuple(steps))


def _named(step: Step, again: Step, made: str) -> Step:
    if isinstance(step, Act) or isinstance(again, Act):
        return step
    if not isinstance(step, bytes):
        own = step.get("event_id")
        stays = own and not isinstance(again, bytes) and own == again.get("event_id")
        return step if stays else {**step, "event_id": made}
    if peek(step).event_id is not None:
        return step
    try:
        document = parse(step)
    except Invalid:
        return step  # the intake says what is wrong with it
    lacks = isinstance(document, dict) and document.get("event_id") in (None, "")
    return written({**document, "event_id": made}) if lacks else step


def _items_of(sent: Sent) -> list[bytes]:
    return [item_of(step) for step in sent.steps if not isinstance(step, Act)]


def _acts_of(sent: Sent) -> list[Act]:
    return [step for step in sent.steps if isinstance(step, Act)]

"""① Messages of a queue through the source's door: translated, accepted durably, acted on (ING-10).

It differs from ``sources/receive.py`` in what is at stake: an answer here lets the broker forget the message.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from itertools import groupby
from typing import Protocol

import msgspec

from llm_incident_manager.domain.events.document import parse, peek, written
from llm_incident_manager.domain.events.stable import stable_event_id
from llm_incident_manager.engine.caller import Caller
from llm_incident_manager.engine.receipts import Receipt
from llm_incident_manager.engine.rows import LetterRequest
from llm_incident_manager.engine.source_acts import Act
from llm_incident_manager.errors import (
    Conflict,
    Forbidden,
    IncidentManagerError,
    Invalid,
    RateLimited,
    Unavailable,
)
from llm_incident_manager.sources.receive import Acts, Chosen, item_of, kept_request, translated
from llm_incident_manager.sources.spec import Sent, SourceRequest, Step

NotYet = IncidentManagerError
"""Why a message must be taken again later."""


class NotKept(Unavailable):
    """It can never be taken, and cannot be kept as a dead letter now; nothing behind it needs to wait."""


_ANOTHER_TIME = timedelta(days=7)


class QueueIntake(Protocol):
    """What receiving from queues needs of the intake."""

    async def accept_each(
        self, items: Sequence[bytes], caller: Caller, *, all_or_none: bool = True
    ) -> list[Receipt]: ...

    async def keep_rejected(
        self, answered: Iterable[tuple[bytes, Receipt]], caller: Caller, *, durably: bool = False
    ) -> None: ...

    def count_refused(self, caller: Caller, source: str) -> None: ...

    async def keep_refused(
        self,
        body: bytes,
        caller: Caller,
        source: str,
        refused: Invalid,
        request: LetterRequest | None = None,
        *,
        durably: bool = False,
    ) -> None: ...

    def require_open(self, caller: Caller, source: str) -> None: ...


@dataclass(frozen=True, kw_only=True)
class _Read:
    """A message, and what its plugin made of it; ``over`` where it is a dead letter, or cannot be one now."""

    request: SourceRequest
    sent: Sent
    over: bool = False
    why_not: Unavailable | None = None

    @property
    def items(self) -> list[bytes]:
        return [item_of(step) for step in self.sent.steps if not isinstance(step, Act)]

    @property
    def acts(self) -> list[Act]:
        return [step for step in self.sent.steps if isinstance(step, Act)]


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
        waits: NotYet | None = None
        for acting, stretch in groupby(read, key=lambda each: bool(each.acts)):
            # A problem that comes back after its end must not join what the end is about: no event overtakes an act.
            for together in [[each] for each in stretch] if acting else [list(stretch)]:
                if waits is not None:
                    answers += [each.why_not if each.over else waits for each in together]
                    continue
                answers += await self._taken(chosen, together, caller)
                waits = answers[-1] if acting else None
        return answers

    async def keep(self, body: bytes, caller: Caller, source: str, refused: Invalid) -> None:
        """Keep what can never be taken as a dead letter, durably; raises Unavailable."""
        self._intake.count_refused(caller, source)
        await self._intake.keep_refused(body, caller, source, refused, durably=True)

    async def _read(self, chosen: Chosen, request: SourceRequest, caller: Caller) -> _Read:
        try:
            return _Read(request=request, sent=identified(chosen, request))
        except Invalid as refused:
            self._intake.count_refused(caller, chosen.source)
            return _Read(
                request=request, sent=Sent(), over=True, why_not=await self._kept(chosen, request, caller, refused)
            )

    async def _kept(
        self, chosen: Chosen, request: SourceRequest, caller: Caller, refused: Invalid
    ) -> Unavailable | None:
        """Keep a message as it came, so that it can be translated again once its source is repaired."""
        try:
            await self._intake.keep_refused(
                request.body, caller, chosen.source, refused, kept_request(chosen, request, ""), durably=True
            )
        except Unavailable as away:
            return NotKept(away.message, retry_after_seconds=away.retry_after_seconds, code=away.code)
        return None

    async def _taken(self, chosen: Chosen, together: Sequence[_Read], caller: Caller) -> list[NotYet | None]:
        items = [item for each in together for item in each.items]
        try:
            left = iter(await self._intake.accept_each(items, caller, all_or_none=False))
        except (Unavailable, RateLimited) as refused:
            return [each.why_not if each.over else refused for each in together]
        answers: list[NotYet | None] = []
        for each in together:
            answered = [(item, next(left)) for item in each.items]
            answers.append(each.why_not if each.over else await self._answer(chosen, each, answered, caller))
        return answers

    async def _answer(
        self, chosen: Chosen, read: _Read, answered: Sequence[tuple[bytes, Receipt]], caller: Caller
    ) -> NotYet | None:
        refusals = [receipt.refusal for _, receipt in answered if receipt.refusal is not None]
        later = next((each for each in refusals if isinstance(each, RateLimited | Unavailable)), None)
        if later is not None:
            return later
        wrong = [Invalid(each.message, code=each.code) for each in refusals if isinstance(each, Forbidden)]
        wrong += [each for each in refusals if isinstance(each, Invalid)]
        try:
            if read.sent.is_batch:
                await self._intake.keep_rejected(answered, caller, durably=True)
            if wrong and (not read.sent.is_batch or any(isinstance(each, Forbidden) for each in refusals)):
                why_not = await self._kept(chosen, read.request, caller, wrong[0])
                if why_not is not None or len(refusals) == len(answered):
                    return why_not
            if read.acts:
                await self._acts.do(caller, read.acts)
        except (Unavailable, RateLimited, Conflict) as refused:
            return refused
        except Invalid as refused:
            return await self._kept(chosen, read.request, caller, refused)
        return None


def identified(chosen: Chosen, request: SourceRequest) -> Sent:
    """Return what the plugin makes of a message, all with ids that stay when the message comes again.

    Where a plugin finds no id in what it reads, it takes the time of reading for one, or leaves it out: then the
    message's own id stands in. An act that comes again is not done to what was opened since. Raises Invalid.
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
    if isinstance(step, Act):
        return msgspec.structs.replace(step, act_id=made, once=True)
    if not isinstance(step, bytes):
        own, other = step.get("event_id"), again.get("event_id") if isinstance(again, Mapping) else None
        return step if own and own == other else {**step, "event_id": made}
    if peek(step).event_id is not None:
        return step
    try:
        document = parse(step)
    except Invalid:
        return step  # the intake says what is wrong with it
    lacks = isinstance(document, dict) and document.get("event_id") in (None, "")
    return written({**document, "event_id": made}) if lacks else step

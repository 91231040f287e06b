"""What a reader does with the messages of one source: the source's settings of this moment, its plugin, its door."""

from collections.abc import Callable, Mapping, Sequence

from llm_incident_manager.clock import Clock
from llm_incident_manager.domain.events.event import SourceSettings
from llm_incident_manager.domain.incidents.incident import Actor
from llm_incident_manager.domain.vocabulary import ActorType, Scope
from llm_incident_manager.engine.caller import Caller
from llm_incident_manager.errors import Invalid, Unavailable
from llm_incident_manager.sources.queues.messages import KEPT_OF_TOO_LARGE, request_of
from llm_incident_manager.sources.queues.receive import NotKept, NotYet, ReceiveQueued
from llm_incident_manager.sources.queues.spec import Message
from llm_incident_manager.sources.receive import choose
from llm_incident_manager.sources.spec import SourceRequest, SourceSpec

Sources = Callable[[str], Mapping[str, SourceSettings]]
"""The sources of a tenant, as they are set now."""


class Taking:
    """Takes the messages of one source of one tenant, in the name of that source."""

    def __init__(
        self,
        tenant: str,
        source: str,
        *,
        receive: ReceiveQueued,
        specs: Mapping[str, SourceSpec],
        sources: Sources,
        clock: Clock,
        most_bytes: Callable[[], int],
    ) -> None:
        self._source = source
        self._receive = receive
        self._specs = specs
        self._sources = sources
        self._clock = clock
        self._most_bytes = most_bytes
        name = f"queue:{source}"
        actor = Actor(type=ActorType.INTEGRATION, id=source, name=source)
        self._caller = Caller(tenant=tenant, actor=actor, scopes=frozenset({Scope.INGEST}), key_id=name, lineage=name)

    async def take(self, messages: Sequence[Message]) -> list[NotYet | None]:
        """Take messages in order; return for each ``None`` once it is done with, or why not yet.

        Raises Forbidden and NotFound where the source's settings let nothing in.
        """
        caller = self._caller
        chosen = choose(self._specs, self._sources(caller.tenant), self._source, caller)
        answers: list[NotYet | None] = [None] * len(messages)
        places: list[int] = []
        requests: list[SourceRequest] = []
        for place, message in enumerate(messages):
            try:
                requests.append(
                    request_of(
                        message,
                        chosen,
                        sender=caller.lineage,
                        now=self._clock.now(),
                        most_bytes=self._most_bytes(),
                    )
                )
                places.append(place)
            except Invalid as refused:
                answers[place] = await self._buried(message, refused)
        for place, answer in zip(places, await self._receive.take(chosen, requests, caller), strict=True):
            answers[place] = answer
        return answers

    async def bury(self, message: Message, refused: Invalid) -> None:
        """Keep a message as a dead letter, durably, at most so much of it as is shown; raises Unavailable."""
        body = message.body if len(message.body) <= self._most_bytes() else message.body[:KEPT_OF_TOO_LARGE]
        await self._receive.keep(body, self._caller, self._source, refused)

    async def _buried(self, message: Message, refused: Invalid) -> NotYet | None:
        try:
            await self.bury(message, refused)
        except Unavailable as away:
            return NotKept(away.message, retry_after_seconds=away.retry_after_seconds, code=away.code)
        return None

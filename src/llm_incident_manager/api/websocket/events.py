"""① ``/ws/events``: a stream of events in, each acknowledged once it is durable (ING-01, ING-03, §6.3)."""

import structlog

from llm_incident_manager.api.websocket.answers import answers_of, error
from llm_incident_manager.api.websocket.incoming import body_of, is_heartbeat
from llm_incident_manager.api.websocket.session import Session
from llm_incident_manager.engine.accept_stream import Answer
from llm_incident_manager.engine.caller import Caller
from llm_incident_manager.errors import IncidentManagerError
from llm_incident_manager.ids import new_id

_log = structlog.get_logger("api.websocket")


class InternalFault(IncidentManagerError):
    """Nobody expected it; it is in the log under the id that is told."""

    code = "internal_error"


class EventsSession(Session):
    """One sender. What has arrived together is made durable together, and answered in order."""

    async def take(self, messages: list[str | bytes], caller: Caller) -> None:
        """Accept and answer a group of messages; what gzip makes of them is bounded as the group is."""
        read: list[bytes | IncidentManagerError | None] = []
        size = 0
        for message in messages:
            try:
                body = body_of(message, self.port.limits)
            except IncidentManagerError as refused:
                read.append(refused)
                continue
            read.append(None if is_heartbeat(body) else body)
            size += len(body)
            if size >= self.port.limits.group_bytes:
                await self._answer(read, caller)
                read, size = [], 0
        await self._answer(read, caller)

    async def _answer(self, read: list[bytes | IncidentManagerError | None], caller: Caller) -> None:
        bodies = [each for each in read if isinstance(each, bytes)]
        answers = iter(await self._accepted(bodies, caller) if bodies else ())
        for each in read:
            if each is None:
                await self.beat()
            elif isinstance(each, bytes):
                for text in answers_of(next(answers), each):
                    await self.say(text)
            else:
                await self.say(error(each))

    async def _accepted(self, bodies: list[bytes], caller: Caller) -> list[Answer]:
        try:
            return await self.port.accept(bodies, caller)
        except IncidentManagerError as refused:
            return [refused] * len(bodies)
        except Exception as failure:
            # A named border: one message must not end the stream in silence.
            fault_id = new_id("err")
            _log.error("message_failed", fault_id=fault_id, exc_info=failure)
            return [InternalFault(f"it failed here; mention {fault_id}")] * len(bodies)

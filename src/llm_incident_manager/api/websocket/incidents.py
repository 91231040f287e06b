"""⑧ ``/ws/incidents``: a tenant's incidents as they change, filtered as asked (ING-03)."""

from typing import Any

from llm_incident_manager.api.websocket.answers import error, incident, text_of
from llm_incident_manager.api.websocket.incoming import body_of, document_of, is_heartbeat
from llm_incident_manager.api.websocket.session import LATER, Session
from llm_incident_manager.api.websocket.subscription import subscription_of
from llm_incident_manager.engine.caller import Caller
from llm_incident_manager.engine.live import Seen, Watcher
from llm_incident_manager.engine.rows import IncidentFilter
from llm_incident_manager.errors import IncidentManagerError

AT_ONCE = 100
"""So many changes are sent before the connection is looked at again."""


class IncidentsSession(Session):
    """One watcher: everything until it subscribes to less. It need not send anything."""

    closes_when_idle = False

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self._watcher: Watcher = self.port.live.watch(self.caller(), IncidentFilter(), self.wake)

    async def take(self, messages: list[str | bytes], caller: Caller) -> None:
        """Answer subscriptions and heartbeats."""
        for message in messages:
            try:
                body = body_of(message, self.port.limits)
                if is_heartbeat(body):
                    await self.beat()
                else:
                    await self._subscribed(document_of(body), caller)
            except IncidentManagerError as refused:
                await self.say(error(refused))

    async def woken(self) -> None:
        """Send what has changed."""
        for _ in range(AT_ONCE):
            seen = self._watcher.take() if self.goes_on else None
            if seen is None:
                break
            await self.say(incident(seen))
        else:
            self.wake()
        if self._watcher.let_go is not None:
            self.end(LATER, self._watcher.let_go)

    def left(self) -> None:
        self.port.live.leave(self._watcher)

    async def _subscribed(self, document: dict[str, Any], caller: Caller) -> None:
        asked = subscription_of(document)
        self._watcher.want(asked.wanted)
        await self.say(text_of({"type": "subscribed", "filters": dict(asked.filters)}))
        if asked.resume is not None:
            for changed in await self.port.live.since(caller, asked.wanted, asked.resume):
                await self.say(incident(Seen(incident=changed, opened=False)))

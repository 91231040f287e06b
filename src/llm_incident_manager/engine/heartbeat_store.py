"""What heartbeats need of the store."""

from datetime import datetime
from typing import Protocol

from llm_incident_manager.engine.rows import Heartbeat


class HeartbeatStore(Protocol):
    """Who is to be heard from; raises NotFound for unknown names."""

    def of_source(self, source: str) -> list[Heartbeat]: ...

    def get(self, source: str, name: str) -> Heartbeat: ...

    def put(self, heartbeat: Heartbeat) -> None: ...

    def look_later(self, source: str, name: str, at: datetime) -> None: ...

    def delete(self, source: str, name: str) -> None: ...

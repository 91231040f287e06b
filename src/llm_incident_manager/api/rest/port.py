"""What the REST API asks of the engine, gathered in one value that the wiring fills."""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol

import msgspec

from llm_incident_manager.api.identity import IdentifyPort
from llm_incident_manager.clock import Clock
from llm_incident_manager.domain.incidents.changes import RequestFacts
from llm_incident_manager.engine.accept import BatchReceipt, Receipt
from llm_incident_manager.engine.alerts import Alerts
from llm_incident_manager.engine.calendar_feeds import CalendarFeeds
from llm_incident_manager.engine.caller import Caller
from llm_incident_manager.engine.heartbeats import Heartbeats
from llm_incident_manager.engine.import_schedules import ImportSchedules
from llm_incident_manager.engine.open_by_hand import OpenByHand
from llm_incident_manager.engine.page_answers import Answers
from llm_incident_manager.engine.ports import Store
from llm_incident_manager.engine.query import Query
from llm_incident_manager.engine.report import Report
from llm_incident_manager.engine.reseal import Reseal
from llm_incident_manager.engine.respond import Respond
from llm_incident_manager.engine.rows import LetterRequest
from llm_incident_manager.engine.settings import TenantSettings
from llm_incident_manager.engine.shifts import Shifts
from llm_incident_manager.engine.silences import Silences
from llm_incident_manager.engine.source_acts import SourceActs
from llm_incident_manager.engine.source_traffic import SourceTraffic
from llm_incident_manager.engine.telemetry import Telemetry
from llm_incident_manager.errors import Invalid, Unavailable

Document = dict[str, Any]
NO_FACTS = RequestFacts()
Page = tuple[Sequence[Document], str | None, int]
"""The documents of one page, the next cursor, and the total."""


class IntakePort(Protocol):
    """① Event accepted."""

    async def accept_any(self, body: bytes, caller: Caller) -> Receipt | BatchReceipt: ...

    def accept_soon(self, body: bytes, caller: Caller, answer: Callable[[Receipt | Unavailable], None]) -> bool:
        """Accept one event without a task; false: :meth:`accept_any` is the way."""
        ...

    async def accept_items(
        self, items: Sequence[bytes], caller: Caller, *, batch_id: str | None = None
    ) -> BatchReceipt: ...

    async def accept_each(self, items: Sequence[bytes], caller: Caller) -> list[Receipt]: ...

    def count_refused(self, caller: Caller, source: str) -> None: ...

    async def keep_refused(
        self, body: bytes, caller: Caller, source: str, refused: Invalid, request: LetterRequest | None = None
    ) -> None: ...

    def require_open(self, caller: Caller, source: str) -> None: ...

    @property
    def traffic(self) -> SourceTraffic:
        """What each source sent, and what was refused."""
        ...


class ConfigurePort(Protocol):
    """Users, teams, routes, policies, templates, schedules, sources; a document carries its ``version``."""

    async def page(self, caller: Caller, kind: str, limit: int, cursor: str | None) -> Page: ...

    async def get(self, caller: Caller, kind: str, item_id: str) -> Document: ...

    async def create(self, caller: Caller, kind: str, document: Document) -> Document:
        """Raises Conflict where the id is taken, and Invalid."""
        ...

    async def replace(
        self, caller: Caller, kind: str, item_id: str, document: Document, if_match: int | None
    ) -> Document: ...

    async def delete(self, caller: Caller, kind: str, item_id: str, if_match: int | None = None) -> None:
        """Raises Conflict while something still refers to it, or where the config file owns it."""
        ...


class KeysPort(Protocol):
    """API keys, and tenants for platform keys."""

    async def page(self, caller: Caller, limit: int, cursor: str | None) -> Page: ...

    async def get(self, caller: Caller, key_id: str) -> Document: ...

    async def create(self, caller: Caller, document: Document) -> Document:
        """Return the key's document with ``key``, this once."""
        ...

    async def rotate(self, caller: Caller, key_id: str, overlap_seconds: float) -> Document:
        """Return the successor's document with ``key``, this once; the old key goes on for the overlap."""
        ...

    async def revoke(self, caller: Caller, key_id: str) -> object: ...

    async def tenants(self, caller: Caller, limit: int, cursor: str | None) -> Page: ...

    async def create_tenant(self, caller: Caller, document: Document) -> Document: ...


class DeadLettersPort(Protocol):
    """What could not be processed."""

    async def page(self, caller: Caller, limit: int, cursor: str | None) -> Page: ...

    async def get(self, caller: Caller, letter_id: str) -> Document: ...

    async def replay(self, caller: Caller, letter_id: str) -> Document:
        """Return ``{status, event_id, incident_id}`` of the event taken in again; Invalid if it still is wrong."""
        ...

    async def discard(self, caller: Caller, letter_id: str) -> object: ...


class AuditPort(Protocol):
    """The audit trail and its proof."""

    async def page(
        self,
        caller: Caller,
        *,
        start: datetime | None,
        end: datetime | None,
        actor: str | None,
        incident: str | None,
        limit: int,
        cursor: str | None,
    ) -> Page: ...

    def export(self, caller: Caller) -> AsyncIterator[str]:
        """Yield the lines of an export."""
        ...

    async def verify(self, caller: Caller, *, since: datetime | None, limit: int | None) -> Document:
        """Return ``{valid, checked, first_fault}``."""
        ...


class ImportPort(Protocol):
    """History of other tools."""

    async def statuspage(self, caller: Caller, document: Document) -> Mapping[str, Any]:
        """Return counts; imported twice changes nothing."""
        ...


class PagesPort(Protocol):
    """Pages beside incidents."""

    async def test_page(self, caller: Caller, user_id: str, channel: str | None = None) -> Document:
        """Page a user now and return ``{user_id, delivered, notifications: […]}``; raises NotFound."""
        ...


class LinksPort(Protocol):
    """Sign-in links."""

    async def create(self, caller: Caller | None, user_id: str | None, ttl_seconds: float = 900) -> str:
        """Return the token of a new link; raises NotFound for an unknown user."""
        ...


class ConfigFilePort(Protocol):
    """The config file: ``{file, changes, notes}``; Conflict ``no_config_file`` where there is none."""

    async def differences(self) -> Document: ...

    async def reload(self) -> Document: ...


class Readiness(msgspec.Struct, frozen=True, kw_only=True):
    """Whether this node can accept durably, what is degraded, and why it cannot."""

    ready: bool
    degraded: tuple[str, ...] = ()
    reason: str = ""


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """Bounds on every input (SEC-05): bytes of a body, on the wire and unpacked, and seconds to send it in."""

    body_bytes: int = 1_048_576
    unpacked_bytes: int = 8_388_608
    import_bytes: int = 33_554_432
    body_seconds: float = 30.0


class RestPort(msgspec.Struct, frozen=True, kw_only=True):
    """Everything the API serves from.

    ``key_headers`` returns the lower-case names of the headers that sources' settings name; ``readiness`` answers
    ``/ready``; ``store`` remembers the answers of an ``Idempotency-Key``; ``channels`` are those that are open.
    """

    intake: IntakePort
    acts: SourceActs
    heartbeats: Heartbeats
    silences: Silences
    shifts: Shifts
    calendar_feeds: CalendarFeeds
    import_schedules: ImportSchedules
    alerts: Alerts
    identify: IdentifyPort
    query: Query
    respond: Respond
    open_by_hand: OpenByHand
    report: Report
    configure: ConfigurePort
    keys: KeysPort
    dead_letters: DeadLettersPort
    audit: AuditPort
    imports: ImportPort
    pages: PagesPort
    links: LinksPort
    reseal: Reseal
    config_file: ConfigFilePort
    answers: Answers
    settings: Callable[[str], TenantSettings]
    store: Store
    clock: Clock
    telemetry: Telemetry
    readiness: Callable[[], Readiness]
    channels: Mapping[str, object] = msgspec.field(default_factory=dict)
    key_headers: Callable[[], frozenset[str]] = frozenset
    limits: Limits = Limits()
    version: str = ""
    public_url: str = ""

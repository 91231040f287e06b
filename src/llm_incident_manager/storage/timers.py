"""⑤ Timers: deadlines as rows, claimed with a lease."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import BindParameter, Connection, Row, and_, bindparam, delete, func, or_, select, tuple_, update

from llm_incident_manager.domain.escalation.timer import Timer, TimerKind
from llm_incident_manager.storage.instants import instant, micros
from llm_incident_manager.storage.schema import TIMERS
from llm_incident_manager.storage.statements import insert

_TENANT: BindParameter[Any] = bindparam("of_tenant")
_OF_INCIDENT = and_(TIMERS.c.tenant == _TENANT, TIMERS.c.incident_id == bindparam("of_id"))
_COLUMNS = (
    TIMERS.c.tenant,
    TIMERS.c.incident_id,
    TIMERS.c.kind,
    TIMERS.c.level,
    TIMERS.c.cycle,
    TIMERS.c.due_at,
)
_INSERT = insert(TIMERS)
# The kinds an incident no longer waits for.
_DELETE_OTHERS = delete(TIMERS).where(_OF_INCIDENT, TIMERS.c.kind.not_in(bindparam("kinds", expanding=True)))
# One timer of a kind; an unchanged row is left alone, and so keeps its lease.
_SET = _INSERT.on_conflict_do_update(
    index_elements=["tenant", "incident_id", "kind"],
    set_={
        "level": _INSERT.excluded.level,
        "cycle": _INSERT.excluded.cycle,
        "due_at": _INSERT.excluded.due_at,
        "lease_until": None,
    },
    where=or_(
        TIMERS.c.level != _INSERT.excluded.level,
        TIMERS.c.cycle != _INSERT.excluded.cycle,
        TIMERS.c.due_at != _INSERT.excluded.due_at,
    ),
)
# What an incident waits for.
_PENDING = select(*_COLUMNS).where(_OF_INCIDENT).order_by(TIMERS.c.due_at, TIMERS.c.kind)
# One timer, while its cause is the same.
_DELETE = delete(TIMERS).where(
    _OF_INCIDENT,
    TIMERS.c.kind == bindparam("of_kind"),
    TIMERS.c.level == bindparam("of_level"),
    TIMERS.c.cycle == bindparam("of_cycle"),
)
# What is due and nobody holds; PostgreSQL skips what another node is claiming this instant.
_DUE = (
    select(TIMERS.c.tenant, TIMERS.c.incident_id, TIMERS.c.kind)
    .where(
        TIMERS.c.due_at <= bindparam("now"),
        or_(TIMERS.c.lease_until.is_(None), TIMERS.c.lease_until <= bindparam("now")),
    )
    .order_by(TIMERS.c.due_at)
    .limit(bindparam("most"))
    .with_for_update(skip_locked=True)
    .cte("due")
)
_CLAIM = (
    update(TIMERS)
    .where(
        tuple_(TIMERS.c.tenant, TIMERS.c.incident_id, TIMERS.c.kind).in_(
            select(_DUE.c.tenant, _DUE.c.incident_id, _DUE.c.kind)
        )
    )
    .values(lease_until=bindparam("until"))
    .returning(*_COLUMNS)
)
# The soonest that nobody holds, and the end of the first lease.
_NEXT_FREE = select(TIMERS.c.due_at).where(TIMERS.c.lease_until.is_(None)).order_by(TIMERS.c.due_at).limit(1)
_NEXT_LEASE_END = select(func.min(TIMERS.c.lease_until)).where(TIMERS.c.lease_until.is_not(None))


class SqlTimers:
    """The timers of one tenant in one transaction."""

    def __init__(self, connection: Connection, tenant: str) -> None:
        self._connection = connection
        self._tenant = tenant

    def replace(self, incident_id: str, timers: Sequence[Timer]) -> None:
        kinds = [timer.kind for timer in timers]
        self._connection.execute(_DELETE_OTHERS, {"of_tenant": self._tenant, "of_id": incident_id, "kinds": kinds})
        if timers:
            self._connection.execute(_SET, [self._row(timer) for timer in timers])

    def add(self, timers: Sequence[Timer]) -> None:
        if timers:
            self._connection.execute(_INSERT, [self._row(timer) for timer in timers])

    def of_incident(self, incident_id: str) -> list[Timer]:
        rows = self._connection.execute(_PENDING, {"of_tenant": self._tenant, "of_id": incident_id})
        return [_timer(row) for row in rows]

    def delete(self, timer: Timer) -> None:
        self._connection.execute(
            _DELETE,
            {
                "of_tenant": self._tenant,
                "of_id": timer.incident_id,
                "of_kind": timer.kind,
                "of_level": timer.level,
                "of_cycle": timer.cycle,
            },
        )

    def _row(self, timer: Timer) -> dict[str, Any]:
        return {
            "tenant": self._tenant,
            "incident_id": timer.incident_id,
            "kind": timer.kind,
            "level": timer.level,
            "cycle": timer.cycle,
            "due_at": micros(timer.due_at),
            "lease_until": None,
        }


def claim_due(connection: Connection, now: datetime, *, limit: int, lease_seconds: float) -> list[Timer]:
    """Take the timers of all tenants that are due at ``now``, soonest first; others leave them alone for the lease."""
    until = now + timedelta(seconds=lease_seconds)
    rows = connection.execute(_CLAIM, {"now": micros(now), "until": micros(until), "most": limit})
    return sorted(map(_timer, rows), key=lambda timer: (timer.due_at, timer.incident_id, timer.kind))


def next_at(connection: Connection) -> datetime | None:
    """Return when the next timer can be claimed, or None where nothing waits."""
    free = connection.execute(_NEXT_FREE).scalar_one_or_none()
    leased = connection.execute(_NEXT_LEASE_END).scalar_one_or_none()
    known = [each for each in (free, leased) if each is not None]
    return instant(min(known)) if known else None


def _timer(row: Row[Any]) -> Timer:
    return Timer(
        tenant=row.tenant,
        incident_id=row.incident_id,
        kind=TimerKind(row.kind),
        level=row.level,
        cycle=row.cycle,
        due_at=instant(row.due_at),
    )

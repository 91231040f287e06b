"""Retention: old rows go in small steps; what leaves a hash chain leaves a trace in the tenant's own."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import ColumnElement, Connection, Table, bindparam, delete, func, select, tuple_

from llm_incident_manager.domain.incidents.incident import SYSTEM
from llm_incident_manager.engine.proof.removals import AUDIT_PRUNED, INCIDENTS_PRUNED
from llm_incident_manager.storage.audit import SqlAudit
from llm_incident_manager.storage.instants import micros
from llm_incident_manager.storage.schema import (
    ANSWERS,
    AUDIT_HEADS,
    AUDIT_LOG,
    EVENTS,
    INCIDENT_ALIASES,
    INCIDENT_BODIES,
    INCIDENT_CHANGES,
    INCIDENT_TAGS,
    INCIDENTS,
    NOTIFICATIONS,
    REPORTS,
    SIGN_IN_LINKS,
    TIMERS,
)

What = Literal["events", "incidents", "audit", "answers", "links", "notifications"]

# Incidents that ended long ago, open ones never.
_ENDED = (
    select(INCIDENTS.c.tenant, INCIDENTS.c.id, INCIDENTS.c.version, INCIDENTS.c.head)
    .where(INCIDENTS.c.ended_at.is_not(None), INCIDENTS.c.ended_at < bindparam("before"))
    .order_by(INCIDENTS.c.ended_at)
    .limit(bindparam("most"))
    .with_for_update(skip_locked=True)
)
_INCIDENT_TABLES = (
    INCIDENT_BODIES,
    INCIDENT_TAGS,
    INCIDENT_ALIASES,
    INCIDENT_CHANGES,
    EVENTS,
    TIMERS,
    NOTIFICATIONS,
    REPORTS,
)
# Where each tenant's chain begins that must stay: at the first link that is not old, and never behind the newest.
_FIRST_KEPT = (
    select(func.min(AUDIT_LOG.c.version))
    .where(AUDIT_LOG.c.tenant == AUDIT_HEADS.c.tenant, AUDIT_LOG.c.at >= bindparam("before"))
    .scalar_subquery()
)
_KEPT_FROM = select(AUDIT_HEADS.c.tenant, func.coalesce(_FIRST_KEPT, AUDIT_HEADS.c.version).label("version")).order_by(
    AUDIT_HEADS.c.tenant
)
_FIRST_LINKS = (
    select(AUDIT_LOG.c.version, AUDIT_LOG.c.digest)
    .where(AUDIT_LOG.c.tenant == bindparam("of_tenant"), AUDIT_LOG.c.version < bindparam("version"))
    .order_by(AUDIT_LOG.c.version)
    .limit(bindparam("most"))
)
_DELETE_LINKS = delete(AUDIT_LOG).where(
    AUDIT_LOG.c.tenant == bindparam("of_tenant"), AUDIT_LOG.c.version <= bindparam("version")
)


def prune(connection: Connection, now: datetime, what: What, before: datetime, limit: int) -> int:
    """Delete at most ``limit`` rows older than ``before``; returns how many went."""
    bound = micros(before)
    match what:
        case "incidents":
            return _prune_incidents(connection, now, bound, limit)
        case "audit":
            return _prune_audit(connection, now, bound, limit)
        case "events":
            return _prune_rows(connection, EVENTS, EVENTS.c.received_at, [EVENTS.c.received_at < bound], limit)
        case "answers":
            return _prune_rows(connection, ANSWERS, ANSWERS.c.at, [ANSWERS.c.at < bound], limit)
        case "links":
            expires_at = SIGN_IN_LINKS.c.expires_at
            return _prune_rows(connection, SIGN_IN_LINKS, expires_at, [expires_at < bound], limit)
        case "notifications":
            planned_at = NOTIFICATIONS.c.planned_at
            ended = [planned_at < bound, NOTIFICATIONS.c.is_pending.is_(False)]
            return _prune_rows(connection, NOTIFICATIONS, planned_at, ended, limit)


def _prune_rows(
    connection: Connection, table: Table, order: ColumnElement[Any], old: Sequence[ColumnElement[bool]], limit: int
) -> int:
    key = list(table.primary_key.columns)
    oldest = select(*key).where(*old).order_by(order).limit(limit)
    # Both databases read a row of one as a plain value.
    names = tuple_(*key) if len(key) > 1 else key[0]
    return connection.execute(delete(table).where(names.in_(oldest))).rowcount


def _prune_incidents(connection: Connection, now: datetime, before: int, limit: int) -> int:
    rows = connection.execute(_ENDED, {"before": before, "most": limit}).all()
    by_tenant = defaultdict(list)
    for row in rows:
        by_tenant[row.tenant].append(row)
    for tenant, gone in sorted(by_tenant.items()):
        ids = [row.id for row in gone]
        for table in _INCIDENT_TABLES:
            connection.execute(delete(table).where(table.c.tenant == tenant, table.c.incident_id.in_(ids)))
        connection.execute(delete(INCIDENTS).where(INCIDENTS.c.tenant == tenant, INCIDENTS.c.id.in_(ids)))
        chains = [{"id": row.id, "version": row.version, "digest": row.head.hex()} for row in gone]
        SqlAudit(connection, tenant).add(now, SYSTEM, INCIDENTS_PRUNED, {"incidents": chains})
    return len(rows)


def _prune_audit(connection: Connection, now: datetime, before: int, limit: int) -> int:
    gone = 0
    for tenant, version in connection.execute(_KEPT_FROM, {"before": before}).all():
        wanted = {"of_tenant": tenant, "version": version, "most": limit - gone}
        links = connection.execute(_FIRST_LINKS, wanted).all()
        if links:
            last = links[-1]
            connection.execute(_DELETE_LINKS, {"of_tenant": tenant, "version": last.version})
            facts = {"version": last.version, "digest": last.digest.hex()}
            SqlAudit(connection, tenant).add(now, SYSTEM, AUDIT_PRUNED, facts)
            gone += len(links)
        if gone >= limit:
            break
    return gone

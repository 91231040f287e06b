"""① Alerts that fire until they are told to be over, or are not told any more."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import BindParameter, Connection, bindparam, delete, select, tuple_

from llm_incident_manager.engine.alert_rows import Alert
from llm_incident_manager.storage.instants import micros
from llm_incident_manager.storage.schema import ALERTS
from llm_incident_manager.storage.statements import insert, pieces

_A = ALERTS.c
_TENANT: BindParameter[Any] = bindparam("of_tenant")
_BY_FINGERPRINT = select(_A.fingerprint, _A.body).where(
    _A.tenant == _TENANT, _A.source == bindparam("of_source"), _A.fingerprint.in_(bindparam("wanted", expanding=True))
)
_FIRING = (
    select(_A.body)
    .where(_A.tenant == _TENANT, _A.is_firing, _A.ends_at > bindparam("at"))
    .order_by(_A.source, _A.fingerprint)
)
_INSERT = insert(ALERTS)
# An alert as it was told last.
_PUT = _INSERT.on_conflict_do_update(
    index_elements=["tenant", "source", "fingerprint"],
    set_={each: _INSERT.excluded[each] for each in ("ends_at", "is_firing", "body")},
)
# Alerts that were not told again in time, of all tenants.
_DUE = (
    select(_A.tenant, _A.body)
    .where(_A.is_firing, _A.ends_at <= bindparam("at"))
    .order_by(_A.ends_at)
    .limit(bindparam("most"))
)
_OLD = (
    select(_A.tenant, _A.source, _A.fingerprint)
    .where(~_A.is_firing, _A.ends_at <= bindparam("at"))
    .limit(bindparam("most"))
)
_FORGET = delete(ALERTS).where(tuple_(_A.tenant, _A.source, _A.fingerprint).in_(_OLD))
_ENCODER = msgspec.json.Encoder()
_DECODER = msgspec.json.Decoder(Alert)


class SqlAlerts:
    """The alerts of one tenant in one transaction."""

    def __init__(self, connection: Connection, tenant: str) -> None:
        self._connection = connection
        self._tenant = tenant

    def of(self, source: str, fingerprints: Iterable[str]) -> dict[str, Alert]:
        found: dict[str, Alert] = {}
        for piece in pieces(sorted(set(fingerprints))):
            wanted = {"of_tenant": self._tenant, "of_source": source, "wanted": piece}
            for row in self._connection.execute(_BY_FINGERPRINT, wanted):
                found[row.fingerprint] = _DECODER.decode(row.body)
        return found

    def firing(self, at: datetime) -> list[Alert]:
        rows = self._connection.execute(_FIRING, {"of_tenant": self._tenant, "at": micros(at)})
        return sorted((_DECODER.decode(row.body) for row in rows), key=lambda alert: alert.starts_at)

    def put(self, alerts: Sequence[Alert]) -> None:
        rows = [
            {
                "tenant": self._tenant,
                "source": alert.source,
                "fingerprint": alert.fingerprint,
                "ends_at": micros(alert.ends_at),
                "is_firing": alert.is_firing,
                "body": _ENCODER.encode(alert),
            }
            for alert in alerts
        ]
        if rows:
            self._connection.execute(_PUT, rows)


def due(connection: Connection, now: datetime, limit: int) -> list[tuple[str, Alert]]:
    """Return (tenant, alert) of those that nobody has told of any more, the longest first."""
    rows = connection.execute(_DUE, {"at": micros(now), "most": limit})
    return [(row.tenant, _DECODER.decode(row.body)) for row in rows]


def forget(connection: Connection, before: datetime, limit: int) -> int:
    """Remove alerts that ended before; returns how many."""
    return connection.execute(_FORGET, {"at": micros(before), "most": limit}).rowcount

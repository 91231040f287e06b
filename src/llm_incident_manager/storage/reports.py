"""③ Reports: to which folded incident a source's own fingerprint belongs."""

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import BindParameter, Connection, and_, bindparam, or_, select

from llm_incident_manager.engine.report_store import Reported
from llm_incident_manager.storage.schema import INCIDENTS, REPORTS
from llm_incident_manager.storage.statements import insert, pieces

_R = REPORTS.c
_TENANT: BindParameter[Any] = bindparam("of_tenant")
_JOINED = and_(INCIDENTS.c.tenant == _R.tenant, INCIDENTS.c.id == _R.incident_id, INCIDENTS.c.is_open)
# The open incident that each is reported to.
_OPEN = (
    select(_R.fingerprint, INCIDENTS.c.fingerprint.label("folded"))
    .join(INCIDENTS, _JOINED)
    .where(_R.tenant == _TENANT, _R.fingerprint.in_(bindparam("wanted", expanding=True)))
)
_LAST = select(_R.incident_id).where(_R.tenant == _TENANT, _R.fingerprint == bindparam("wanted"))
_INSERT = insert(REPORTS)
# What is reported anew belongs to the newer incident.
_PUT = _INSERT.on_conflict_do_update(
    index_elements=["tenant", "fingerprint"], set_={"incident_id": _INSERT.excluded.incident_id}
)
# All reports to open incidents, page by page.
_ALL = (
    select(_R.tenant, _R.fingerprint, _R.incident_id, INCIDENTS.c.fingerprint.label("folded"))
    .join(INCIDENTS, _JOINED)
    .where(
        or_(
            _R.tenant > bindparam("tenant"),
            and_(_R.tenant == bindparam("tenant"), _R.fingerprint > bindparam("fingerprint")),
        )
    )
    .order_by(_R.tenant, _R.fingerprint)
    .limit(bindparam("most"))
)


class SqlReports:
    """The reports of one tenant in one transaction."""

    def __init__(self, connection: Connection, tenant: str) -> None:
        self._connection = connection
        self._tenant = tenant

    def put(self, reports: Sequence[tuple[str, str]]) -> None:
        # In one order on every node, so that two batches wait for each other instead of blocking each other for good.
        rows = [
            {"tenant": self._tenant, "fingerprint": fingerprint, "incident_id": incident_id}
            for fingerprint, incident_id in sorted(dict(reports).items())
        ]
        if rows:
            self._connection.execute(_PUT, rows)

    def open_of(self, fingerprints: Iterable[str]) -> dict[str, str]:
        found: dict[str, str] = {}
        for piece in pieces(sorted(set(fingerprints))):
            for row in self._connection.execute(_OPEN, {"of_tenant": self._tenant, "wanted": piece}):
                found[row.fingerprint] = row.folded
        return found

    def last_of(self, fingerprint: str) -> str | None:
        wanted = {"of_tenant": self._tenant, "wanted": fingerprint}
        found: str | None = self._connection.execute(_LAST, wanted).scalar_one_or_none()
        return found


def open_reports(connection: Connection, after: tuple[str, str], limit: int) -> list[Reported]:
    """Return the next page of reports to open incidents, of all tenants, by tenant and fingerprint."""
    rows = connection.execute(_ALL, {"tenant": after[0], "fingerprint": after[1], "most": limit})
    return [Reported(**row._mapping) for row in rows]
